"""Files that the service fetches from addresses: for MultiPullVodFile, and as the source of a flow."""

import re
from urllib.parse import unquote

from vodworker.emulator import library
from vodworker.emulator.footage import digest, footage, mishap
from vodworker.emulator.kind import Kind, ended, usable
from vodworker.emulator.making import make
from vodworker.emulator.refusal import BAD_SOURCE, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Stored, Task, Video

ADDRESS = re.compile(r"https?://[^/?#]+(/[^?#]*)?")
ENDING = re.compile(r"\.([0-9A-Za-z]{1,5})$")


def pull_step(url: str, name: str, md5: str | None) -> Step:
    """The sub-task that fetches a file."""
    return Step("PullFile", {"url": url, "fileName": name, "md5": md5 or ""})


def detail(file_id: str, *, class_id: int | None = None, tags: tuple[str, ...] = ()) -> Json:
    """What a task needs to know to put the file that it fetches into the library."""
    return {"pulled": file_id, "classId": class_id or 0, "tags": list(tags)}


def fetch(service: Service, task: Task, step: Step) -> Video:
    """The file, now in the library.

    Addresses of the emulator itself have bytes, which are taken; what other addresses have is made up of them.
    """
    url, name, expected = (str(step.input[word]) for word in ("url", "fileName", "md5"))
    found = ADDRESS.match(url)
    if not found:
        raise Refusal(BAD_SOURCE, f"{url} cannot be fetched")
    if code := mishap(f"{url} {name}", step=step.type, run=task.run):
        raise Refusal(code, f"{url} or its name asks for this error")
    path = unquote(found[1] or "/")
    ending = ENDING.search(path) or ENDING.search(name)
    container = ending[1] if ending else "mp4"
    file_id = task.detail["pulled"]
    if url.startswith(f"{service.origin}/"):
        stored = _take(service, path, f"{service.folder(file_id)}/f0.{container}")
    else:
        stored = Stored(int(digest(url)[8:16], 16) % 100_000_000, expected.lower() or digest(url))
    if expected and expected.lower() != stored.md5:
        raise Refusal(BAD_SOURCE, f"the MD5 of {url} is {stored.md5}, not {expected}")
    return library.add(
        service,
        name=name,
        container=container,
        size=stored.size,
        md5=stored.md5,
        shows=footage(stored.md5, name=name),
        file_id=file_id,
        class_id=task.detail["classId"],
        tags=tuple(task.detail["tags"]),
    )


def _take(service: Service, path: str, place: str) -> Stored:
    """An object of the store under another path too."""
    if path not in service.storage:
        raise Refusal(BAD_SOURCE, f"{service.origin}{path} answers 404")
    service.storage.file(place).unlink(missing_ok=True)  # of an earlier run of the task
    service.storage.file(place).hardlink_to(service.storage.file(path))
    service.state.objects[place] = service.storage[path]
    return service.storage[path]


def _work(service: Service, task: Task, step: Step) -> Json:
    if step.type == "PullFile":
        video = fetch(service, task, step)
        return {"fileId": video.id, "fileUrl": video.url}
    [video] = usable(task, step, [service.state.files.get(task.file_id)])
    return make(service, video, step)


def _data(_: Service, task: Task) -> Json:
    return {
        **ended(task),
        "fileId": task.file_id,
        **({"fileUrl": task.steps[0].output["fileUrl"]} if task.steps[0].output else {}),
        **({"transcodeTaskId": task.detail["followed"]} if "followed" in task.detail else {}),
    }


KIND = Kind("PullComplete", _work, _data)
