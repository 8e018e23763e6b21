"""Chinese mails that announce nothing: everyday mail, mail with dates that are no event's, and junk.

Each kind is (subjects, bodies). `{past}` is a day gone by, `{due}` a day to come that is no happening.
"""

from stillroom.data.synthetic.template import words

OTHERS = {
    "chat": (
        ("你好", "回复：你的来信", "照片", "最近怎么样", "关于{thing}"),
        (
            (
                "{reader}，你好！\n\n<谢谢你的来信|很高兴收到你的信>。<家里都好|最近挺忙的>。"
                "{first2}<迷上了|天天都在聊>{hobby}，<院子也没人管了|猫又胖了>。你的{thing}还好用吗？\n\n{first}"
            ),
            (
                "{reader}：\n\n那本讲{hobby}的书我<终于看完了|刚开始看>，<不太适合我|你说得对，很不错>。"
                "{thing}找到了吗？\n\n{first}"
            ),
            "{reader}，<你有|能发我>{first2}的新地址吗？我想把{thing}寄回去。谢谢！\n{first}",
            "你好，\n\n{thing}收到了，<很好用|很合适>，{first2}<也喜欢|都羡慕了>。\n\n{first}",
        ),
    ),
    "question": (
        ("关于{thing}的问题", "请教", "{thing}？"),
        (
            "{reader}，你好：\n\n请问{thing}<多少钱|是谁订的|放在哪里>？{first2}<在问|也不清楚>。\n\n谢谢\n{first}",
            (
                "您好！\n\n请<核对|确认>一下{thing}申请表上的编号{ticket}，<好像有误|跟我们的对不上>。\n\n{name}\n"
                "{company}"
            ),
            "{reader}，好久没<聊天|一起吃饭>了，<什么时候有空？|不急。>记得把{thing}带上。\n{first}",
        ),
    ),
    "thanks": (
        ("谢谢", "感谢", "谢谢你的{thing}"),
        (
            "{reader}：\n\n<非常感谢|多谢>你送的{thing}，我和{first2}都<很喜欢|特别高兴>。\n\n{name}",
            "{reader}，谢谢你帮我修{thing}，<真是帮了大忙|改天请你喝茶>。\n{first}",
        ),
    ),
    "newsletter": (
        ("{company}通讯", "{town}简讯", "{hobby}小知识", "本期推荐"),
        (
            (
                "<本期要点|每月小贴士>：\n- {hobby}：<新手常犯的五个错误|为什么很多人半途而废|入门要准备什么>\n- "
                "新款{thing}<评测|介绍>\n- 人物：{name2}谈{hobby}\n\n退订请回复TD。"
            ),
            (
                "各位读者：\n\n本期专题是{hobby}，由{name2}介绍<入门方法|基础知识>，另有{number}款{thing}对比。\n\n"
                "{company}"
            ),
            (
                "版本{number}.{digit}更新\n* <启动更快|体积更小>\n* 修复{thing}不显示的问题\n\n已于{past}发布，"
                "感谢{name2}反馈。"
            ),
        ),
    ),
    "receipt": (
        ("订单{ticket}", "付款成功", "收据{ticket}", "感谢您的订购"),
        (
            "感谢您{past}的订单{ticket}。\n\n{thing} x 1   {amount}元\n支付方式：<银行卡|转账>\n\n{company}",
            "{reader}，您好！\n\n{past}已收到您购买{thing}的付款{amount}元，<无需其他操作|请保留此收据>。\n\n{company}",
        ),
    ),
    "invoice": (
        ("账单{ticket}", "您的发票", "付款提醒{ticket}"),
        (
            "您好！\n\n附件是{thing}的发票{ticket}，金额{amount}元，请于{due}前付款。\n\n{name}\n{company}",
            "账单{ticket}\n金额：{amount}元\n付款期限：{due}\n\n<付款时请注明编号。|如已付款请忽略。>\n{company}",
            "{reader}，您好！您订阅的《{hobby}》月刊将于{due}自动续费，费用{amount}元，可在账户中取消。\n{company}",
        ),
    ),
    "deadline": (
        ("{thing}的数据", "催交报告", "表格{ticket}"),
        (
            "{reader}，请在{due}前把{thing}的数据发给我，{first2}<写报告要用|已经交了>。谢谢。\n{first}",
            "各位同事：\n\n表格{ticket}请于{due}前提交，<逾期不收|有问题问{name2}>。\n\n{name}",
        ),
    ),
    "report": (
        ("会议纪要", "小结", "回顾"),
        (
            (
                "各位同事：\n\n{past}关于{thing}的会议<很顺利|开得很快>，{name2}<做了记录|介绍了数据>，纪要见附件，"
                "暂无后续安排。\n\n{name}"
            ),
            "{reader}，{past}的音乐会<真好听|有点长>，{first2}特别喜欢，可惜你没来！\n{first}",
            "回顾：{past}的{hobby}讲座共有{number}人参加，照片已<上传网站|贴在走廊>。\n{company}",
        ),
    ),
    "greeting": (
        ("生日快乐！", "恭喜", "祝福"),
        (
            "{reader}：\n\n{due}是你的生日，提前祝你生日快乐！{thing}已经寄出了。\n\n{first}",
            "{reader}，恭喜你<通过考试|找到新工作|喜得贵子>！{first2}{past}告诉我的，真为你高兴。\n{first}",
        ),
    ),
    "shipping": (
        ("包裹{ticket}", "订单已发货", "物流通知"),
        (
            "您的订单{ticket}（{thing}）已于{past}发货，预计{due}送达。\n\n{company}",
            "{reader}，您好！您{past}订购的{thing}暂时缺货，预计{due}到货，<请耐心等待|可免费取消订单>。\n{company}",
        ),
    ),
}

SPAM = {
    "prize": (
        ("恭喜您中奖！", "中奖通知{ticket}", "请领取{prize}"),
        (
            "<恭喜|尊敬的幸运用户>！您的邮箱被抽中，获得{prize}。请在{due}前点击{link}领取，过期作废！",
            "尊敬的客户：您获得{amount}0元大奖，编号{ticket}。请于{due}前把姓名和银行账号发给{name2}，切勿告诉他人！",
        ),
    ),
    "pills": (
        ("{pill}两折", "快速减肥", "特价药品"),
        (
            "{pill}<无需处方|全网最低价>！<保密发货|无效退款>，{due}前{number}粒仅{amount}元。{link}",
            "服用{pill}，<两周|十天>瘦{number}斤，医生都惊呆了！马上订购：{link}",
        ),
    ),
    "loan": (
        ("贷款已批准", "急用钱吗", "无抵押贷款"),
        (
            "<无需征信|黑户可贷>！{amount}0元<当天|一小时>到账，利率{digit}%，{due}截止。申请：{link}",
            "您的{amount}0元贷款已<批准|通过初审>，请向{name2}支付{number}元手续费。{link}",
        ),
    ),
    "phishing": (
        ("账户已冻结", "安全警告{ticket}", "请立即验证", "邮箱容量已满"),
        (
            "尊敬的用户：\n您的账户登录异常，请在{due}前到{link}<验证|确认>密码，否则账户将被<注销|关闭>。\n安全中心",
            "您的邮箱已使用{number}%，请在{due}前点击{link}扩容，否则邮件将丢失。",
        ),
    ),
    "offer": (
        ("代开发票", "在家赚钱", "网站排名第一", "名牌{luxury}三折"),
        (
            "在家<每天|每周>赚{amount}元，无需经验，{name2}已经成功！仅剩{number}个名额，{due}截止。{link}",
            "<高仿|顶级>{luxury}{number}元起，<全球包邮|买二送一>，{due}结束！{link}",
            "本公司代开各类发票，税点{digit}%，联系{name2}，电话0{ticket}。",
        ),
    ),
}

VOCABULARY = {
    "thing": words(
        "打印机 大衣 水壶 帐篷 工具箱 台灯 相机 行李箱 收音机 书柜 吉他 雨衣 投影仪 自行车 电饭锅 书桌 耳机 风扇"
    ),
    "hobby": words("烘焙 围棋 摄影 书法 园艺 天文 骑行 陶艺 钓鱼 编织"),
    "prize": words("最新款手机 海南双人游 豪华轿车 购物卡 笔记本电脑"),
    "pill": words("瘦身宝 活力素 养生丸 速效减肥茶 安睡灵"),
    "luxury": words("手表 皮包 墨镜 香水 运动鞋"),
    "company": words("华盛办公 明光商贸 东方书店 远航旅行社 新星电器 绿叶超市 金石工具"),
    "spammer": words("抽奖中心 客服中心 健康顾问 快速贷款 安全中心 特价商城"),
}
