"""The codes of processing: a grid of stages and causes, the code being -(100 * stage + cause), and a few beside it."""

from typing import NamedTuple

from vodworker.codes.words import UNKNOWN, Entry, Fault, Said

REMAKE = Said(
    "make the file again with a usual encoder (MP4, H.264, AAC), upload it again",
    "用常见编码（MP4、H.264、AAC）重新制作并上传",
)
UPLOAD = Said("check that the file plays; upload the whole file again", "确认文件可正常播放后，重新完整上传")
REDO = Said(
    "run the task again (RedoTask); if it stays, make the source again",
    "用 RedoTask 重试该任务；仍失败则重新制作源文件",
)


class Stage(NamedTuple):
    """A row of the grid. own: what is looked at is the service's own product, so the source need not be to blame."""

    name: Said
    own: bool = False


STAGES = {
    430: Stage(Said("looking into the file", "查询文件信息")),
    431: Stage(Said("looking into the files to be joined", "查询待拼接文件信息")),
    440: Stage(Said("taking a screenshot", "执行截图")),
    441: Stage(Said("looking into the screenshot", "读取截图信息"), own=True),
    450: Stage(Said("transcoding", "执行转码")),
    451: Stage(Said("transcoding, looking into the result to check it", "转码后、校验前读取结果信息"), own=True),
    452: Stage(Said("transcoding, looking into the result to store it", "转码后、上传前读取结果信息"), own=True),
    491: Stage(Said("transcoding, checking the result", "校验转码结果"), own=True),
}

CAUSES = {
    1: (Said("it does not decode: the file is damaged", "解码失败：文件已损坏"), UPLOAD),
    29: (Said("it does not decode", "解码失败"), UPLOAD),
    89: (Said("its codec is not known", "无法识别编解码器"), REMAKE),
    90: (Said("the frame size of its sound is not known", "无法识别音频帧大小"), REMAKE),
    91: (Said("the sample format of its sound is not known", "无法识别音频采样格式"), REMAKE),
    92: (Said("the rate of its sound is not known", "无法识别音频采样率"), REMAKE),
    93: (Said("the number of its sound channels is not known", "无法识别音频声道数"), REMAKE),
    94: (Said("no frame has a time stamp to decode it by", "没有带解码时间戳的帧"), REMAKE),
    95: (Said("its width and height are not known", "无法识别视频宽高"), REMAKE),
    96: (Said("its colour space is not known", "无法识别色度空间"), REMAKE),
    97: (Said("a RealVideo picture without frame and aspect ratio", "RealVideo 画面缺少帧与宽高比信息"), REMAKE),
    98: (Said("it ends too early", "文件提前结束"), UPLOAD),
    99: (Said("it points beyond its own end", "索引超出文件实际大小"), UPLOAD),
}

SOURCE = Said("judging the source file", "检查源文件")
SHORTER = Said("join fewer files, or smaller ones", "减少待拼接文件的数量或总大小")
ALIKE = Said("transcode the files to one size first", "先转码为相同分辨率再拼接")
OTHER_TASK = Said("ask for a template that fits the file", "改用与文件相符的模板")

SINGLES = {
    -47100: (Said("what was found out about it is not readable", "源文件信息无法解析"), REMAKE),
    -47101: (Said("its width, height or colour space is missing", "缺少宽、高或色度空间信息"), REMAKE),
    -47102: (Said("its encoder is not known", "编码器未知"), REMAKE),
    -47104: (Said("its duration is under 0.01 s or above 7 days", "时长小于 0.01 秒或超过 7 天"), REMAKE),
    -47200: (Said("its duration is 0", "时长为 0"), UPLOAD),
    -47300: (Said("the files to be joined are too much", "待拼接内容超过上限"), SHORTER),
    -47301: (Said("the files to be joined differ in size of the picture", "待拼接文件分辨率不同"), ALIKE),
    -47302: (Said("a file to be joined cannot be looked into", "无法读取待拼接文件的信息"), UPLOAD),
    -47400: (Said("it has neither sound nor picture", "既没有音频也没有视频"), UPLOAD),
    -47401: (Said("sound was asked for, and it has none", "要求输出音频，但文件没有音频"), OTHER_TASK),
    -47402: (Said("a picture was asked for, and it has none", "要求输出视频，但文件没有视频"), OTHER_TASK),
    -47403: (
        Said("its width, height, rotation or aspect ratio makes no sense", "宽、高、旋转角或宽高比不合法"),
        REMAKE,
    ),
}

PROCESSING: dict[int, Entry] = {
    -(100 * number + suffix): Entry(
        stage.name,
        cause,
        Fault.SERVICE if stage.own else Fault.SOURCE,
        stage.own,
        REDO if stage.own else remedy,
    )
    for number, stage in STAGES.items()
    for suffix, (cause, remedy) in CAUSES.items()
} | {code: Entry(SOURCE, cause, Fault.SOURCE, False, remedy) for code, (cause, remedy) in SINGLES.items()}

SUBTASK = Said("a sub-task of a flow", "任务流中的子任务")
SEEN = {
    30009: Entry(SUBTASK, Said("the source file is not in order", "源文件异常"), Fault.SOURCE, False, REMAKE),
    30010: Entry(SUBTASK, Said("the service's own trouble", "系统异常"), Fault.SERVICE, True, REDO),
    -46204: UNKNOWN._replace(
        stage=Said("screenshots at given times", "指定时间点截图"),
        cause=Said(
            "seen when such a screenshot failed, and explained nowhere", "曾见于截图失败的通知，但没有任何文档说明"
        ),
    ),
}
