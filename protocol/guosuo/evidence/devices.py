"""Rapid antigen tests of the EU common list, by the number that documents give (`ma`).

Source: the EU value set `covid-19-lab-test-manufacturer-and-name`, the union of its
versions of 28 January and 13 June 2022 (ehn-dcc-development/eu-dcc-valuesets) and of
those in the states' test cases (eu-digital-green-certificates/
dgc-business-rules-testdata), both Apache License 2.0. The numbers are those of the
device database of the Joint Research Centre.

Rules take the list of the EU as it is at the time. Devices that came onto it together and
stayed have one code together: a table has their entries once. Devices may be added, each
with a code of its own that follows from its number, or together as a group (GS-EVID-4).
"""

from __future__ import annotations

from typing import Final

LISTED_2021: Final = tuple(
    """
    308 344 345 768 1097 1114 1144 1162 1173 1180 1190 1199 1215 1218 1223 1225 1232 1236 1244
    1253 1263 1266 1267 1268 1271 1278 1295 1296 1304 1319 1331 1333 1341 1343 1360 1363 1365
    1375 1392 1420 1437 1443 1456 1466 1468 1481 1484 1489 1490 1574 1604 1606 1654 1736 1747
    1763 1764 1767 1769 1815 1822 1833 1844 1870 1884 1906 1919 1934 2010 2017
    """.split()  # noqa: SIM905  # a quoted list would fill the page
)
"""On the list of the test cases (mid-2021), and on it since. Numbers as documents write them,
without leading zeros."""

LISTED_2022: Final = tuple(
    """
    770 1065 1178 1197 1201 1216 1228 1242 1243 1257 1286 1324 1347 1353 1357 1457 1465 1485
    1494 1495 1501 1581 1599 1610 1618 1689 1691 1722 1739 1751 1759 1762 1768 1773 1775 1778
    1800 1801 1813 1820 1855 1876 1880 1902 1920 1929 1942 1945 1957 1960 1967 1989 2006 2012
    2013 2026 2029 2031 2035 2052 2067 2072 2074 2078 2079 2089 2090 2097 2098 2100 2101 2103
    2104 2107 2108 2109 2116 2128 2130 2139 2143 2144 2147 2150 2152 2156 2164 2183 2200 2228
    2230 2241 2242 2243 2247 2256 2271 2273 2278 2282 2290 2297 2301 2317 2350 2374 2380 2414
    2415 2419 2494 2506 2533 2555 2579 2584 2586 2629 2640 2642 2684 2695 2696 2741 2746 2754
    2756 2763 2807
    """.split()  # noqa: SIM905
)
"""Came onto it later, up to 28 January 2022, and on it since."""

SINGLE_DEVICES: Final = tuple(
    """
    1200 1246 1256 1573 1783 1791 1865 1899 1926 1988 2151 2201 2257 2260 2302 2519 2608 2672
    2685 2724 2742 2812 2853 2862 2866 2941 2942 2963 2979 3015
    """.split()  # noqa: SIM905
)
"""On some version, but not on every one from a day on that is known: each by itself."""
