"""multipart/related (RFC 2387) as WADO-RS answers (PS3.18 §8.6.1.2): the first part's bytes."""

from email.message import Message


class NotMultipart(ValueError):
    """The body is not what its Content-Type says."""


def first_part(content_type: str, body: bytes) -> bytes:
    """The content of the first part; a body that is no multipart is its own content.

    Raises:
        NotMultipart: there is no boundary, no part, or no end of it.
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_maintype() != "multipart":
        return body
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise NotMultipart("no boundary")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    # The first delimiter may stand at the very beginning, without the line end before it.
    _, found, rest = (b"\r\n" + body).partition(delimiter)
    part, ended, _ = rest.partition(delimiter)
    if not found or not ended:
        raise NotMultipart("no complete part")
    # The part's own header ends with an empty line; it may have no fields at all.
    _, empty_line, content = part.partition(b"\r\n\r\n")
    if not empty_line:
        raise NotMultipart("no end of the part's header")
    return content
