"""Presentation contexts for storage: which transfer syntaxes are offered, and in how many contexts."""

from collections.abc import Iterable, Iterator

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom.presentation import PresentationContext

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Between these two a dataset is re-encoded without loss."""

_OTHERS = (
    JPEGLosslessSV1, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless, JPEG2000, JPEGLossless,
    JPEGExtended12Bit, JPEGLSNearLossless, HTJ2KLossless, HTJ2K, DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)  # fmt: skip
MOST = 126
"""An association has 128 presentation contexts at most (PS3.8 §9.3.2.2); C-GET and C-FIND take one each."""

EVERY_SOP_CLASS = tuple(str(context.abstract_syntax) for context in AllStoragePresentationContexts)


def taking(sop_classes: Iterable[str]) -> list[PresentationContext]:
    """What is offered to take instances of these classes, however they are kept.

    A syntax stands in a context of its own: an archive that keeps JPEG could not send it in a context for
    which it has chosen another one. Where the classes are unknown there is one context for each.
    """
    known = sorted({one for one in sop_classes if one})
    if not known:
        offered = [*NATIVE, *_OTHERS]
        return [build_context(one, list(offered)) for one in EVERY_SOP_CLASS[:MOST]]
    return list(_each(known))[:MOST]


def _each(sop_classes: list[str]) -> Iterator[PresentationContext]:
    for one in sop_classes:
        yield build_context(one, list(NATIVE))
    for syntax in _OTHERS:
        for one in sop_classes:
            yield build_context(one, syntax)


def sending(kinds: Iterable[tuple[str, UID]]) -> list[PresentationContext]:
    """What is offered to send instances of these (SOP class, transfer syntax), one context for each."""
    return [
        build_context(sop_class, list(NATIVE) if syntax in NATIVE else syntax)
        for sop_class, syntax in sorted({(c, NATIVE[0] if s in NATIVE else s) for c, s in kinds})
    ][:MOST]
