"""The codes of calls: those of the gateway, the same for all products, and those of the actions."""

from typing import TypeAlias

from vodworker.codes.words import Entry, Fault, Said

WAIT = Said("try again later; if it stays, ask the vendor's support", "稍后重试；持续出现时联系腾讯云技术支持")
FIX_CALL = Said("correct the parameter and call again", "修正该参数后重新调用")
FIX_KEYS = Said("correct the keys or their rights, in the settings or the console", "在配置或控制台中修正密钥及其权限")
FIX_CLOCK = Said("set this machine's clock (NTP), then call again", "用 NTP 校准本机时钟后重试")
FIX_ACCOUNT = Said("put it right in the console", "在控制台处理账号问题")
LOOK = Said("read the message beside the code", "查看返回的 message 说明")

GATE = Said("the call, at the gateway", "调用，云 API 网关")
CALL = Said("the call", "调用")
PULLING = Said("pulling files", "拉取上传")
UPLOADING = Said("upload", "上传")
SORTING = Said("classes", "视频分类")
TRANSCODE_TEMPLATES = Said("transcode templates", "转码模板")
WATERMARKS = Said("watermark templates", "水印模板")
STATISTICS = Said("statistics", "数据统计")
FLOWS = Said("flows of tasks", "任务流")
TASKS = Said("tasks", "任务")

Row: TypeAlias = tuple[int, Fault, bool, str, str, Said]

ROWS: dict[Said, tuple[Row, ...]] = {
    GATE: (
        (4000, Fault.REQUEST, False, "a parameter is missing or wrong; an empty queue; a handle older than 30 s",
         "参数缺失或错误；也可能是没有事件，或句柄已超过 30 秒", FIX_CALL),
        (4100, Fault.ACCOUNT, False, "the signature or the keys are wrong", "签名或密钥错误", FIX_KEYS),
        (4101, Fault.ACCOUNT, False, "these keys may not use this action", "密钥无权调用该接口", FIX_KEYS),
        (4102, Fault.ACCOUNT, False, "these keys may not touch this resource", "密钥无权访问该资源", FIX_KEYS),
        (4103, Fault.ACCOUNT, False, "these keys may not touch what it works on", "密钥无权操作涉及的资源", FIX_KEYS),
        (4104, Fault.ACCOUNT, False, "no such SecretId, or a disabled one", "SecretId 不存在或已禁用", FIX_KEYS),
        (4105, Fault.ACCOUNT, False, "the token is wrong or has run out", "Token 错误或已过期", FIX_KEYS),
        (4106, Fault.ACCOUNT, False, "the second factor did not pass", "MFA 校验未通过", FIX_KEYS),
        (4110, Fault.ACCOUNT, False, "access management refuses these keys", "访问管理（CAM）拒绝了该密钥", FIX_KEYS),
        (4200, Fault.ACCOUNT, False, "the call came too late after its time stamp", "请求已过期", FIX_CLOCK),
        (4300, Fault.ACCOUNT, False, "the account is banned, or not let in", "账号被封禁或不在范围内", FIX_ACCOUNT),
        (4400, Fault.ACCOUNT, True, "more calls than the ceiling allows", "调用次数超过上限",
         Said("call less often; `[limits]` holds the ceilings", "降低调用频率；上限见配置 [limits]")),
        (4500, Fault.ACCOUNT, False, "a nonce came twice, or the clock is off", "Nonce 重复或时钟偏差大", FIX_CLOCK),
        (4600, Fault.REQUEST, False, "only HTTPS is accepted", "仅支持 HTTPS",
         Said("use an endpoint with https://", "将 endpoint 改为 https://")),
        (5000, Fault.REQUEST, False, "there is no such resource", "资源不存在", FIX_CALL),
        (5100, Fault.REQUEST, False, "the operation failed, all of it", "操作全部失败", LOOK),
        (5200, Fault.ACCOUNT, False, "the purchase failed", "资源购买失败", FIX_ACCOUNT),
        (5300, Fault.ACCOUNT, False, "the balance is too low", "账户余额不足", FIX_ACCOUNT),
        (5400, Fault.REQUEST, False, "only a part of the operation succeeded", "操作部分成功", LOOK),
        (5500, Fault.ACCOUNT, False, "the account is not qualified", "账号资质审核未通过", FIX_ACCOUNT),
        (6000, Fault.SERVICE, True, "internal error", "服务内部错误", WAIT),
        (6100, Fault.REQUEST, False, "there is no such action or version at this host", "该域名下没有此接口或版本",
         Said("check `[account] endpoint` and the action's name", "检查 [account] endpoint 与接口名")),
        (6200, Fault.SERVICE, True, "not available for a while", "接口暂时不可用", WAIT),
    ),
    CALL: (
        (1000, Fault.REQUEST, False, "a parameter makes no sense; of a flow: an output was skipped",
         "参数无效；若为任务流错误码，则有输出被跳过", FIX_CALL),
        (1001, Fault.SERVICE, True, "internal error, or the account could not be read", "内部错误或用户信息异常",
         WAIT),
        (10008, Fault.REQUEST, False, "there is no such file", "文件不存在",
         Said("check the file id and the sub-application; it may be deleted", "核对文件 ID 与子应用；文件可能已删除")),
        (10009, Fault.REQUEST, True, "the file's state does not allow it now; of data keys: one is wrong",
         "文件当前状态不允许该操作；获取密钥时则为 EDK 有误",
         Said("wait until other work on the file has ended", "等待该文件的其他任务结束后再试")),
    ),
    PULLING: (
        (1018, Fault.SERVICE, True, "too many pulls at once", "拉取任务过多",
         Said("wait, and pull fewer at once", "稍后再试，并减少并发拉取")),
        (1163, Fault.REQUEST, False, "a watermark was asked for, and none is set up", "要求打水印，但尚未设置水印",
         Said("set a watermark up, or do not ask for one", "先设置水印，或不要求打水印")),
    ),
    UPLOADING: (
        (31001, Fault.REQUEST, False, "the session key is wrong", "会话 Key 错误",
         Said("begin again with ApplyUpload", "从 ApplyUpload 重新开始")),
        (31002, Fault.REQUEST, False, "the upload's signature was used before", "上传签名重复使用",
         Said("begin again with ApplyUpload", "从 ApplyUpload 重新开始")),
        (31003, Fault.REQUEST, False, "the bytes have not arrived", "待确认的文件尚未上传",
         Said("send the file, then commit", "先上传文件再确认")),
    ),
    SORTING: (
        (1903, Fault.REQUEST, False, "the default class takes no classes of its own", "默认分类下不能建子分类",
         Said("name another parent", "更换父分类")),
        (1905, Fault.REQUEST, False, "there is no such class, or none at all", "分类不存在，或用户没有分类", FIX_CALL),
    ),
    TRANSCODE_TEMPLATES: (
        (10704, Fault.REQUEST, False, "there is no such template", "模板不存在", FIX_CALL),
        (10734, Fault.REQUEST, False, "width or height is out of bounds, or both disagree", "分辨率无效", FIX_CALL),
        (10735, Fault.REQUEST, False, "definition is not valid", "参数 definition 无效", FIX_CALL),
    ),
    WATERMARKS: (
        (10706, Fault.ACCOUNT, False, "there are as many templates as an account may have", "水印模板数量已达上限",
         Said("delete one first", "先删除不用的模板")),
    ),
    STATISTICS: (
        (17011, Fault.REQUEST, False, "too many domains", "域名数量过多", FIX_CALL),
    ),
    FLOWS: (
        (50005, Fault.REQUEST, False, "the same flow runs already", "相同的任务已存在",
         Said("wait for its event", "等待已有任务的事件通知")),
        (50006, Fault.SERVICE, True, "the flow could not be made", "任务流创建失败", WAIT),
        (50007, Fault.REQUEST, False, "procedure is not valid", "参数 procedure 无效", FIX_CALL),
    ),
    TASKS: (
        (70014, Fault.REQUEST, False, "there is no such task in the last 72 hours", "72 小时内没有该任务", FIX_CALL),
        (70034, Fault.REQUEST, False, "the task still runs", "任务还在进行中",
         Said("wait for its event", "等待该任务的事件通知")),
    ),
}  # fmt: skip

INTERNAL = (  # all that the manual says of these: internal error
    *(1, 1003, 1010, 1011, 1013, 1016, 1021, 1023, 1050, 1100, 1102, 1108, 1152, 1159, 1702, 1801, 1802, 1904, 1907),
    *(2000, 2001, 10003, 10010, 10012, 10022, 10027, 10700, 10701, 10702, 32001),
)

BROKEN_BOUNDS = {  # the codes that say which parameter is wrong
    TRANSCODE_TEMPLATES: {
        10730: "container", 10731: "video.fps", 10732: "video.codec", 10733: "video.bitrate",
        10736: "isFiltrateVideo", 10737: "isFiltrateAudio", 10738: "video.minGop", 10739: "video.maxGop",
        10740: "video.videoProfile", 10741: "video.colorSpace", 10742: "video.deinterlaced",
        10743: "video.videoRateControl", 10745: "video.denoise", 10754: "audio.codec", 10755: "audio.sampleRate",
        10756: "audio.bitrate", 10757: "audio.soundSystem", 10758: "audio.audioResampler",
        10759: "audio.audioDownmixMode",
    },
    WATERMARKS: {
        10801: "url", 10802: "type", 10803: "left", 10804: "top", 10807: "definition", 10810: "width", 10811: "height",
    },
    STATISTICS: {17010: "hosts", 17012: "statType", 17013: "startDate / startTime", 17015: "date / startDate"},
}  # fmt: skip

CALLS: dict[int, Entry] = (
    {code: Entry(CALL, Said("internal error", "服务内部错误"), Fault.SERVICE, True, WAIT) for code in INTERNAL}
    | {
        code: Entry(
            stage,
            Said(f"{name} is missing or out of bounds", f"参数 {name} 缺失或无效"),
            Fault.REQUEST,
            False,
            FIX_CALL,
        )
        for stage, names in BROKEN_BOUNDS.items()
        for code, name in names.items()
    }
    | {
        code: Entry(stage, Said(en, zh), fault, retryable, remedy)
        for stage, rows in ROWS.items()
        for code, fault, retryable, en, zh, remedy in rows
    }
)
