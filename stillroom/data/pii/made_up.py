"""Names that fakes are made of."""

_FIRST_NAMES = """
ada alma anton arne bela bruno cara clara dana dario edda elio emil enya fabio flora greta hanno ilka ivo jana
jaro kaia karl lara leni levi lina luca lutz maja malte mara milo mina nele nico nora odo oskar otto paula pia
quinn rafe rosa rune sami selma silas stina tamo thea theo tilda udo vera viggo wanda wim yara yuna zeno zora
"""
_STEMS = """
bram brix calv corv dalm drav elth ferl garv holv ister jarl kelv korm lunt mard morv nelb orlem pelt quorb
rast selm stalv tamw tormb ulv velt vexl wolm yarn zandr
"""
_SUFFIXES = """
aby aker ander aro asch berin dell eck edge elmo emund enby esko etter eweck ezell ibert idor inder ingo isk
ister ivan omont onder oren orin osko ovan uller unda ury
"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())
STEMS = tuple(_STEMS.split())
SUFFIXES = tuple(_SUFFIXES.split())
"""Fake surnames are a stem and a suffix: hardly anybody bears one of these thousand."""
HAN_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾"
HAN_STEMS = "甲乙丙丁戊己庚辛壬癸"
"""A Chinese fake is a surname and two of the ten heavenly stems."""
