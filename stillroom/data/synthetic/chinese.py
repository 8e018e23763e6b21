"""The Chinese wording of mails that announce, move or cancel an event."""

from stillroom.data.synthetic.dates_chinese import STYLES, TIMES
from stillroom.data.synthetic.model import Labels, Language, Wording
from stillroom.data.synthetic.names_chinese import DOMAINS, body, grammar, person, town
from stillroom.data.synthetic.nonevents_chinese import OTHERS, SPAM, VOCABULARY

_SENTENCES = {
    ("planned", "sender", "formal"): (
        "[我|我们]诚挚邀请您参加{when}{where}{held}的{title}。",
        "[本人|我们]将于{when}{where}举办{title}，<敬请光临|欢迎参加|特此邀请>。",
        "{when}[我|我们]将{where}主办{title}，特邀请您出席。",
    ),
    ("planned", "sender", "casual"): (
        "[我|我们]{when}{where}办{title}，<欢迎你来|一起来吧|有空来玩>！",
        "想请大家来参加[我|我们]{when}{where}办的{title}。",
        "[我|我们]组织了{title}，时间是{when}{c_place}，<来吗？|记得来哦！>",
    ),
    ("planned", "sender", "terse"): (
        "[我|我们]召集{title}：{when}{c_place}。",
        "[本人|我们]邀请参加{title}，{when}{c_place}。",
    ),
    ("planned", "neutral", "formal"): (
        "{title}定于{when}{where}{held}。",
        "<兹通知|请注意>：{title}将于{when}{where}{held}。",
        "{when}将{where}{held}{title}，请<准时参加|相互转告|留意>。",
    ),
    ("planned", "neutral", "casual"): (
        "{title}是{when}{c_place}，别忘了。",
        "提醒一下，{when}{where}有{title}。",
        "{when}{where}有{title}，<大家记一下|有兴趣的可以去看看>。",
    ),
    ("planned", "neutral", "terse"): (
        "{title}：{when}{c_place}。",
        "{when}，{title}{c_place}。",
        "提醒：{title}，{when}{c_place}。",
    ),
    ("moved", "sender", "formal"): (
        "很抱歉，[我|我们]不得不将{title}由{old_when}改到{when}{c_place}，<敬请谅解|期待您的光临>。",
        "因故，[本人|我们]主办的{title}改于{when}{where}{held}，原定时间为{old_when}。",
    ),
    ("moved", "sender", "casual"): (
        "不好意思，[我|我们]办的{title}要改时间，不是{old_when}了，改到{when}{c_place}。",
        "[我|我们]把{title}从{old_when}挪到{when}了{c_place}。",
    ),
    ("moved", "sender", "terse"): ("[我|我们]已将{title}改期。原：{old_when}。现：{when}{c_place}。",),
    ("moved", "neutral", "formal"): (
        "原定于{old_when}的{title}{moved}至{when}{where}{held}。",
        "请注意，{title}时间有变：由{old_when}改为{when}{c_place}。",
        "{title}改于{when}{where}{held}，{old_when}的安排取消。",
    ),
    ("moved", "neutral", "casual"): (
        "{title}改时间了，不是{old_when}，是{when}{c_place}。",
        "通知一下，{title}改到{when}{c_place}，原来说的是{old_when}。",
    ),
    ("moved", "neutral", "terse"): (
        "{title}改期。原：{old_when}；现：{when}{c_place}。",
        "{title}改到{when}{c_place}，原{old_when}。",
    ),
    ("cancelled", "sender", "formal"): (
        "非常抱歉，[我|我们]不得不取消原定{when}{where}{held}的{title}。",
        "因故，[本人|我们]决定取消{when}{where}举办的{title}，敬请谅解。",
    ),
    ("cancelled", "sender", "casual"): (
        "抱歉，[我|我们]{when}{where}办的{title}取消了。",
        "[我|我们]只好取消{when}{where}的{title}，下次再约。",
    ),
    ("cancelled", "sender", "terse"): ("[我|我们]取消{title}（{when}{c_place}）。",),
    ("cancelled", "neutral", "formal"): (
        "原定于{when}{where}{held}的{title}因<故|天气原因|设备故障>取消。",
        "{title}（{when}{c_place}）已取消，特此通知。",
    ),
    ("cancelled", "neutral", "casual"): ("{when}{where}的{title}取消了。", "{title}不办了，就是{when}{where}那场。"),
    ("cancelled", "neutral", "terse"): ("取消：{title}，{when}{c_place}。", "{title}（{when}{c_place}）取消。"),
}

WORDING = Wording(
    sentences=_SENTENCES,
    greetings={
        "formal": ("各位同事：", "各位会员：", "尊敬的{reader}：", "各位邻居：", "您好！", "尊敬的各位："),
        "casual": ("大家好，", "{reader}，你好！", "嗨，{reader}：", "各位好！", "亲爱的朋友们："),
    },
    closings={
        "formal": ("此致\n敬礼", "顺祝商祺", "祝好", "谨启"),
        "casual": ("祝好！", "回头见！", "谢谢！", "到时见！"),
        "terse": ("", "", "谢谢"),
    },
    moved=("改期", "调整"),
    postponed=("延期", "推迟"),
    where=("地点：{place}。", "地点在{place}。"),
    starts=("时间：{time}。", "{time}开始。"),
    hosts=("主办：{host}。", "由{host}主持。", "本次活动由{host}组织。"),
    speakers=("主讲人：{host}。", "主持人是{host}。"),
    terse_hosts=("主办：{host}。", "主持：{host}。"),
    item_hosts=("（主持：{host}）", "，主办：{host}", "，由{host}组织"),
    passed_on=("转发一条通知：", "在公告栏看到的，转给你：", "转发，仅供参考：", "刚看到这个，告诉你一声："),
    extras={
        "formal": (
            "请自带<笔和纸|水杯|工作证>。",
            "免费入场。",
            "现场提供茶点。",
            "停车位有限。",
            "议程随后发送。",
            "资料见附件。",
            "{other}已准备好幻灯片。",
            "电梯已恢复使用。",
            "共有{number}个座位。",
        ),
        "casual": (
            "有<蛋糕|点心|披萨>吃。",
            "可以带朋友来。",
            "咖啡机修好了。",
            "{other}向你问好。",
            "谢谢你的照片！",
            "你的伞还在我这儿。",
            "{other}找到你的钥匙了。",
        ),
        "terse": ("带电脑。", "议程后发。", "免费入场。", "资料见附件。", "限{number}人。"),
    },
    reply_by=("请在{deadline}前回复。", "报名截止到{deadline}。", "请于{deadline}前报名。"),
    labels=(
        Labels("主题", "日期", "时间", "地点", "主办", "状态", "原定"),
        Labels("活动", "日期", "开始", "地点", "主持人", "状态", "原日期"),
        Labels("名称", "哪天", "几点", "在哪", "组织者", "情况", "之前"),
    ),
    statuses={"planned": ("已确认", "照常", "计划中"), "moved": ("改期", "已改期"), "cancelled": ("取消", "已取消")},
    fields_intro={
        "sender": ("[我|我们]诚邀您参加：", "[我|我们]想邀请大家，安排如下：", "欢迎参加[我|我们]举办的活动："),
        "sender_changed": ("[我|我们]主办的活动有变动：", "很抱歉，[我|我们]的活动安排有变："),
        "neutral": ("安排如下：", "具体信息：", "请查看：", "请注意：", ""),
    },
    bulletin_intro={
        "sender": ("我们诚邀大家参加近期活动：", "欢迎参加我们的活动：", "我们的活动安排如下，欢迎光临："),
        "neutral": ("近期活动：", "活动预告：", "近期安排一览：", "活动一览："),
    },
    bulletin_items={
        "planned": (
            "{when}：{title}{c_place}{c_host}",
            "{title}，{when}{c_place}{c_host}",
            "{title}｜{when}{c_place}{c_host}",
        ),
        "moved": (
            "{title}改期：由{old_date}改到{when}{c_place}{c_host}",
            "【改期】{when}：{title}{c_place}{c_host}（原{old_date}）",
        ),
        "cancelled": ("【取消】{title}，{when}{c_place}{c_host}", "{when}：{title}{c_place}{c_host}（取消）"),
    },
    bulletin_end=("详见我们的网站。", "如需退订，请回复TD。", "如有变动，另行通知。", ""),
    notifications={
        "planned": (
            "提醒：{title}\n{when}{c_place}",
            "【日历】新日程\n{title}\n{when}{c_place}",
            "系统通知：{title}将于{when}{where}{held}。",
        ),
        "moved": (
            "已更新：{title}\n原：{old_when}\n现：{when}{c_place}",
            "【日历】日程变更\n{title}\n{when}{c_place}（原{old_when}）",
            "系统通知：{title}已由{old_when}改至{when}{c_place}。",
        ),
        "cancelled": (
            "已取消：{title}\n{when}{c_place}",
            "【日历】日程取消\n{title}\n{when}{c_place}",
            "系统通知：原定{when}{where}的{title}已取消。",
        ),
    },
    notification_end=("请勿回复本邮件。", "本邮件由系统自动发送。", "编号{ticket}", ""),
    subjects={
        "planned": ("{title}", "{title}通知", "{date}{title}", "提醒：{title}", "请留意时间"),
        "invitation": ("邀请：{title}", "活动邀请", "邀请您参加{title}"),
        "moved": ("{title}改期", "改期通知", "时间变更：{title}", "时间有变"),
        "cancelled": ("取消：{title}", "{title}取消", "取消通知", "很遗憾"),
        "several": ("近期活动", "活动预告", "{town}通讯", "近期安排", "{town}快讯"),
    },
    quotes=(
        "{quoted_date}，{other_full}写道：\n> {old_date}可以吗？",
        "{other_full}写道：\n> 是哪天？我记的是{old_date}。",
        "-----原始邮件-----\n发件人：{other_full}\n> 能定个时间吗？我想的是{old_date}。",
    ),
    footers=("本邮件内容保密。", "电话：0{ticket}", "发自我的手机", "请勿打印本邮件，节约用纸。"),
    relays=("{town}公告栏", "{town}周报", "{town}活动日历", "员工通讯"),
    systems=("日历", "系统通知", "预订系统", "提醒服务", "状态通知"),
    roles=("项目经理", "办公室主任", "秘书", "行政专员", "活动专员"),
)

CHINESE = Language(
    "zh",
    STYLES,
    TIMES,
    DOMAINS,
    person,
    body,
    town,
    grammar,
    WORDING,
    OTHERS,
    SPAM,
    VOCABULARY,
    lambda name: name,
    "",
    "，",
)
