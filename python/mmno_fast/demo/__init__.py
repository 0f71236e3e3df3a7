"""A data set that draws itself: phantom slices, and rows that ask about them. Nothing is downloaded.

It has the shape of a real one: many JPEG files and some PNG, gray ones saved with three channels, a few in colour, some under a wrong
suffix; seven rows a picture in three variants; and a handful of faults for `check` to find. The same arguments give the same rows and
the same pixels. Needs Pillow (extra ``reference``).
"""

from mmno_fast.demo.layout import Drawn, Fault, draw

__all__ = ["Drawn", "Fault", "draw"]
