"""Names of China's provincial-level divisions (codes of GB/T 2260), for the command line."""

from __future__ import annotations

from typing import Final

from guosuo.federation.charter import Name

PROVINCES: Final[dict[str, tuple[str, str]]] = {
    "110000": ("Beijing", "北京市"),
    "120000": ("Tianjin", "天津市"),
    "130000": ("Hebei", "河北省"),
    "140000": ("Shanxi", "山西省"),
    "150000": ("Inner Mongolia", "内蒙古自治区"),
    "210000": ("Liaoning", "辽宁省"),
    "220000": ("Jilin", "吉林省"),
    "230000": ("Heilongjiang", "黑龙江省"),
    "310000": ("Shanghai", "上海市"),
    "320000": ("Jiangsu", "江苏省"),
    "330000": ("Zhejiang", "浙江省"),
    "340000": ("Anhui", "安徽省"),
    "350000": ("Fujian", "福建省"),
    "360000": ("Jiangxi", "江西省"),
    "370000": ("Shandong", "山东省"),
    "410000": ("Henan", "河南省"),
    "420000": ("Hubei", "湖北省"),
    "430000": ("Hunan", "湖南省"),
    "440000": ("Guangdong", "广东省"),
    "450000": ("Guangxi", "广西壮族自治区"),
    "460000": ("Hainan", "海南省"),
    "500000": ("Chongqing", "重庆市"),
    "510000": ("Sichuan", "四川省"),
    "520000": ("Guizhou", "贵州省"),
    "530000": ("Yunnan", "云南省"),
    "540000": ("Tibet", "西藏自治区"),
    "610000": ("Shaanxi", "陕西省"),
    "620000": ("Gansu", "甘肃省"),
    "630000": ("Qinghai", "青海省"),
    "640000": ("Ningxia", "宁夏回族自治区"),
    "650000": ("Xinjiang", "新疆维吾尔自治区"),
}


def names(code: str) -> tuple[Name, ...]:
    """English and Chinese names of a division; the code itself for an unknown one."""
    english, chinese = PROVINCES.get(code, (code, code))
    return (Name(language="en", text=english), Name(language="zh", text=chinese))


def label(code: str) -> str:
    """English and Chinese name in one line."""
    return " ".join(dict.fromkeys(PROVINCES.get(code, (code,))))
