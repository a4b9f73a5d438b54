"""Serves the keys of encrypted outputs."""

from vodworker.api.keys import DataKeys, DescribeDrmDataKey, KeyList, KeyPair
from vodworker.emulator.refusal import BAD_FILE, Refusal
from vodworker.emulator.service import Serves, Service


async def describe_drm_data_key(service: Service, call: DescribeDrmDataKey) -> DataKeys:
    """The keys in the clear, in the order asked for; one that encrypts nothing here spoils it for all."""
    keys = service.state.keys
    for edk in call.edk_list:
        if edk not in keys:
            raise Refusal(BAD_FILE, f"10612, {edk[:40]} is no encrypted key of this account")
    return DataKeys(data=KeyList(key_list=tuple(KeyPair(edk=edk, dk=keys[edk]) for edk in call.edk_list)))


SERVES: Serves = {DescribeDrmDataKey: describe_drm_data_key}
