"""Chinese titles, places, people and bodies."""

from random import Random

from stillroom.data.synthetic.model import Domain, Party, Place, Title
from stillroom.data.synthetic.template import words

_SURNAMES = {
    "李": "li",
    "王": "wang",
    "张": "zhang",
    "刘": "liu",
    "陈": "chen",
    "杨": "yang",
    "赵": "zhao",
    "黄": "huang",
    "周": "zhou",
    "吴": "wu",
    "徐": "xu",
    "孙": "sun",
    "马": "ma",
    "朱": "zhu",
    "胡": "hu",
    "林": "lin",
    "郭": "guo",
    "何": "he",
    "高": "gao",
    "罗": "luo",
    "郑": "zheng",
    "梁": "liang",
}
_GIVEN = {
    "明": "ming",
    "晓雯": "xiaowen",
    "志强": "zhiqiang",
    "丽华": "lihua",
    "建国": "jianguo",
    "思远": "siyuan",
    "雨晴": "yuqing",
    "文博": "wenbo",
    "静": "jing",
    "海燕": "haiyan",
    "子涵": "zihan",
    "立新": "lixin",
    "佳怡": "jiayi",
    "俊杰": "junjie",
    "敏": "min",
    "振华": "zhenhua",
    "梦瑶": "mengyao",
    "国栋": "guodong",
    "秀兰": "xiulan",
    "浩然": "haoran",
    "一帆": "yifan",
    "春梅": "chunmei",
}
TOWNS = words("东湖 西山 南岸 北辰 和平 朝阳 滨江 翠湖 长青 金桥 新河 白云 清溪 锦绣 云岭 海棠")
_BODIES = (
    "{town}合唱团",
    "{town}社区居委会",
    "{town}图书馆",
    "{town}小学",
    "人力资源部",
    "信息技术部",
    "{town}书画协会",
    "{town}跑步俱乐部",
    "市场部",
    "财务部",
    "{town}物业服务中心",
    "{town}音乐学校",
    "{town}科技有限公司",
    "{town}业主委员会",
    "行政部",
    "{town}读书会",
    "{town}摄影协会",
    "{town}中学校友会",
)
_TOPICS = words(
    "预算 市场 产品 销售 招聘 安全 供应商 客户服务 研发 网站 仓储 定价 数据保护 物流 采购 质量 设计 培训 合规 能源"
)
_WHEN_OF = words("季度 年度 月度 部门 项目 一季度 二季度 三季度 四季度 上半年 下半年")
_MEETINGS = words("评审会 启动会 讨论会 总结会 协调会 例会 规划会 研讨会 汇报会 沟通会")
_SYSTEMS = words(
    "邮件服务器 数据库 VPN 支付系统 电话系统 预订平台 备份系统 办公网络 工单系统 考勤系统 门禁系统 文件服务器 "
    "数据仓库 测试环境"
)
_WORKS = words("维护 升级 迁移 安全更新 重启 巡检 切换演练")
_SUBJECTS = words(
    "烘焙 水彩画 养蜂 急救 摄影 书法 天文 机器学习 家谱整理 自行车维修 陶艺 太极拳 茶艺 演讲技巧 编程入门 "
    "果树修剪 国际象棋 电子表格 古诗欣赏 知识产权"
)
_COURSES = words("体验课 工作坊 讲座 培训班 公开课 分享会 专题课 研修班 沙龙")
_SEASONS = words("春季 夏季 秋季 冬季 新年 元宵 中秋 迎新 周年")
_SHOWS = words("音乐会 画展 书展 诗歌朗诵会 晚会 民乐演奏会 合唱音乐会 戏曲专场 摄影展开幕式")
_FILMS = words("远山 归途 雨巷 旧时光 灯塔 冬日来信 无声的河 纸船 春江 第七封信")
_GATHERINGS = (
    "{town}业主大会",
    "{number}班家长会",
    "{season}消防演习",
    "{season}电梯检修",
    "{town}社区义诊",
    "{town}跳蚤市场",
    "{season}运动会",
    "{town}健步走",
    "{season}植物交换会",
    "{town}献血日",
    "{name}的生日聚会",
    "{name}的欢送会",
    "{season}烧烤会",
    "{town}亲子阅读会",
    "{season}团建活动",
    "{town}开放日",
    "{season}登山活动",
    "{town}居民座谈会",
)


def _name(random: Random) -> tuple[str, str]:
    surname, given = random.choice(list(_SURNAMES)), random.choice(list(_GIVEN))
    return surname + given, f"{_GIVEN[given]}.{_SURNAMES[surname]}"


def person(random: Random) -> Party:
    """Somebody with a mailbox."""
    name, mailbox = _name(random)
    return Party(
        name,
        f"{mailbox}@{random.choice(('donghu', 'xishan', 'binjiang', 'cuihu', 'jinqiao'))}.example",
        name,
        f"由{name}",
    )


def body(random: Random) -> Party:
    """A club, company or department with a mailbox."""
    name = random.choice(_BODIES).format(town=town(random))
    return Party(
        name,
        f"{random.choice(('info', 'office', 'service'))}@{random.choice(('donghu', 'xishan', 'cuihu'))}.example",
        name,
        f"由{name}",
        True,
    )


def town(random: Random) -> str:
    """A place name."""
    return random.choice(TOWNS)


def _office_title(random: Random) -> Title:
    text = random.choice(_TOPICS) + random.choice(("", "工作")) + random.choice(_MEETINGS)
    return Title(random.choice(_WHEN_OF) + text if random.random() < 0.6 else text)


def _system_title(random: Random) -> Title:
    return Title(
        random.choice(("", "", "核心", "备用", "一期", "二期")) + random.choice(_SYSTEMS) + random.choice(_WORKS)
    )


def _course_title(random: Random) -> Title:
    return Title(random.choice(_SUBJECTS) + random.choice(_COURSES) + random.choice(("", "", "", "（上）", "（下）")))


def _show_title(random: Random) -> Title:
    if random.random() < 0.35:
        return Title(f"{random.choice(('电影之夜', '新书分享会', '话剧专场'))}《{random.choice(_FILMS)}》")
    return Title(random.choice(("", town(random))) + random.choice(_SEASONS) + random.choice(_SHOWS))


def _gathering_title(random: Random) -> Title:
    text = random.choice(_GATHERINGS).format(
        town=town(random),
        number=f"{random.choice('一二三四五六')}（{random.randint(1, 6)}）",
        season=random.choice(_SEASONS),
        name=_name(random)[0],
    )
    return Title(text)


def _room(random: Random) -> Place:
    name = random.choice(
        ("{n}0{k}会议室", "{n}楼{n2}号会议室", "第{w}会议室", "{town}厅", "{letter}座{n}1{k}室", "腾讯会议")
    )
    name = name.format(
        n=random.randint(1, 9),
        k=random.randint(1, 9),
        n2=random.randint(1, 4),
        w=random.choice("一二三四五"),
        town=town(random),
        letter=random.choice("ABC"),
    )
    return Place(name, f"{'通过' if name == '腾讯会议' else '在'}{name}")


def _site(random: Random) -> Place:
    name = random.choice(("总部机房", "二号楼", "东区数据中心", "三号机房", "A座", "北区仓库"))
    return Place(name, f"在{name}")


def _venue(random: Random) -> Place:
    name = random.choice(
        (
            "{town}图书馆",
            "{town}文化中心",
            "{town}路{n}号",
            "{town}剧院",
            "{town}公园东门",
            "{town}小学礼堂",
            "{town}体育馆",
            "{town}咖啡馆",
            "{town}美术馆",
            "{town}社区活动室",
        )
    )
    name = name.format(town=town(random), n=random.randint(2, 300))
    return Place(name, f"在{name}")


DOMAINS = (
    Domain("office", 0.38, (8, 17), _office_title, _room, weekdays_only=True),
    Domain("systems", 0.12, (6, 23), _system_title, _site),
    Domain("courses", 0.16, (9, 19), _course_title, lambda random: random.choice((_room, _venue))(random)),
    Domain("culture", 0.17, (16, 20), _show_title, _venue),
    Domain("community", 0.17, (9, 19), _gathering_title, _venue),
)


def grammar(title: Title) -> dict[str, str]:
    """Chinese titles need no article, but work on machines is carried out, not held."""
    return {"held": "进行" if title.text.endswith((*_WORKS, "检修")) else "举行"}
