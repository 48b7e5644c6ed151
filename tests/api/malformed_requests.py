"""The table: requests that must be refused, and odd ones that are valid HTTP (RFC 9110, RFC 9112).

Each is sent as it stands on a connection of its own, with a whole request behind it, to be answered or not.
"""

EVENT = b'{"event":{"event_type":"a.b","payload":{"type":"Generic","data":1}}}'
LENGTH = b"Content-Length: %d\r\n" % len(EVENT)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)


def get(*lines: bytes, target: bytes = b"/health", version: bytes = b"HTTP/1.1", host: bytes = b"Host: x\r\n") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + host + b"".join(lines) + b"\r\n"


def post(*lines: bytes, body: bytes = EVENT, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST /messages " + version + b"\r\nHost: x\r\n" + b"".join(lines) + b"\r\n" + body


def length(text: bytes) -> bytes:
    return post(b"Content-Length:" + text + b"\r\n")


def coding(text: bytes) -> bytes:
    return post(b"Transfer-Encoding:" + text + b"\r\n", body=CHUNKS)


def chunk(size: bytes, data: bytes = EVENT, end: bytes = b"\r\n", trailers: bytes = b"") -> bytes:
    """A chunked body; `%` stands for the right size."""
    return post(CHUNKED, body=size.replace(b"%", b"%x" % len(EVENT)) + data + end + b"0\r\n" + trailers + b"\r\n")


def line(text: bytes) -> bytes:
    return text + b"\r\nHost: x\r\n\r\n"


LENGTHS = {
    "length and coding": post(LENGTH, CHUNKED, body=CHUNKS),
    "coding and length": post(CHUNKED, LENGTH, body=CHUNKS),
    "coding and no length": post(CHUNKED, b"Content-Length: 0\r\n", body=CHUNKS),
    "length and coding, HTTP/1.0": post(LENGTH, CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
    "twice the same": post(LENGTH, LENGTH),
    "two": post(LENGTH, b"Content-Length: 1\r\n"),
    "two, the other first": post(b"Content-Length: 1\r\n", LENGTH),
    "a list of the same": length(b" 5, 5"),
    "a list": length(b" 5,6"),
    "a sign": length(b" +5"),
    "negative": length(b" -5"),
    "minus nothing": length(b" -0"),
    "underscore": length(b" 1_0"),
    "hexadecimal": length(b" 0x5"),
    "a fraction": length(b" 5.0"),
    "an exponent": length(b" 1e1"),
    "empty": length(b""),
    "two numbers": length(b" 5 5"),
    "past 64 bits": length(b" 18446744073709551621"),
    "far past 64 bits": length(b" " + b"9" * 100),
    "Arabic digits": length(" ٥".encode()),
    "vertical tab": length(b" \x0b5"),
    "no-break space": length(b" \xa05"),
    "folded": length(b"\r\n 5"),
}
CODINGS = {
    "unknown": coding(b" xchunked"),
    "chunked not last": coding(b" chunked, identity"),
    "identity alone": coding(b" identity"),
    "identity first": coding(b" identity, chunked"),
    "gzip first": coding(b" gzip, chunked"),
    "gzip alone": coding(b" gzip"),
    "chunked twice": coding(b" chunked, chunked"),
    "two lines": post(CHUNKED, CHUNKED, body=CHUNKS),
    "two lines, gzip last": post(CHUNKED, b"Transfer-Encoding: gzip\r\n", body=CHUNKS),
    "two lines, gzip first": post(b"Transfer-Encoding: gzip\r\n", CHUNKED, body=CHUNKS),
    "quoted": coding(b' "chunked"'),
    "a parameter": coding(b" chunked;q=1"),
    "junk behind": coding(b" chunked junk"),
    "tab behind": coding(b" chunked\t"),
    "vertical tab": coding(b" \x0bchunked"),
    "empty": coding(b""),
    "an empty element": coding(b" ,chunked"),
    "Kelvin sign": coding(" chun\u212aed".encode()),
    "folded": coding(b"\r\n chunked"),
    "space before colon": post(b"Transfer-Encoding : chunked\r\n", body=CHUNKS),
    "space before name": post(b" Transfer-Encoding: chunked\r\n", body=CHUNKS),
    "behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n", body=CHUNKS),
    "behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n", body=CHUNKS),
    "on HTTP/1.0": post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
}
CHUNKINGS = {
    "no number": chunk(b"zz\r\n"),
    "past 64 bits": chunk(b"ffffffffffffffffff\r\n"),
    "underscore": chunk(b"4_4\r\n"),
    "0x": chunk(b"0x44\r\n"),
    "negative": chunk(b"-5\r\n"),
    "a sign": chunk(b"+44\r\n"),
    "empty": chunk(b"\r\n"),
    "space behind": chunk(b"% \r\n"),
    "space before": chunk(b" %\r\n"),
    "too small": chunk(b"3\r\n"),
    "too large": chunk(b"46\r\n"),
    "bare LF": chunk(b"%\n"),
    "bare CR": chunk(b"%\r"),
    "bare LF behind the data": chunk(b"%\r\n", end=b"\n"),
    "bare CR behind the data": chunk(b"%\r\n", end=b"\r"),
    "nothing behind the data": chunk(b"%\r\n", end=b""),
    "anything behind the data": chunk(b"%\r\n", end=b"xy"),
    "LF in an extension": chunk(b"%;a\nb\r\n"),
    "CR in an extension": chunk(b"%;a\rb\r\n"),
    "NUL in an extension": chunk(b"%;a\x00b\r\n"),
    "CRLF in a quoted extension": chunk(b'%;a="\r\n"\r\n'),
    "length as a trailer": chunk(b"%\r\n", trailers=b"Content-Length: 5\r\n"),
    "coding as a trailer": chunk(b"%\r\n", trailers=CHUNKED),
    "NUL in a trailer": chunk(b"%\r\n", trailers=b"X: \x00\r\n"),
    "a trailer without colon": chunk(b"%\r\n", trailers=b"X\r\n"),
    "500 trailers": chunk(b"%\r\n", trailers=b"A: b\r\n" * 500),
    "a trailer of 100 KiB": chunk(b"%\r\n", trailers=b"A: " + b"b" * 102_400 + b"\r\n"),
}
HEADERS = {
    "folded": get(b"X: a\r\n b\r\n"),
    "the first folded": get(host=b" Host: x\r\n"),
    "bare LF": get(b"X: a\nY: b\r\n"),
    "bare CR": get(b"X: a\rY: b\r\n"),
    "bare LF at the end": get(b"X: a\n"),
    "CR CR LF": get(b"X: a\r\r\n"),
    "NUL in a name": get(b"X\x00: a\r\n"),
    "NUL in a value": get(b"X: a\x00\r\n"),
    "control byte in a name": get(b"X\x01: a\r\n"),
    "control byte in a value": get(b"X: a\x01\r\n"),
    "DEL in a value": get(b"X: a\x7f\r\n"),
    "UTF-8 in a name": get("Ü: a\r\n".encode()),
    "Latin-1 in a name": get(b"\xdc: a\r\n"),
    "space before colon": get(b"X : a\r\n"),
    "space in a name": get(b"X Y: a\r\n"),
    "no colon": get(b"X\r\n"),
    "no name": get(b": a\r\n"),
    "a bracket in a name": get(b"X(: a\r\n"),
    "a quote in a name": get(b'X": a\r\n'),
    "a name of 100 KiB": get(b"a" * 102_400 + b": b\r\n"),
    "a value of 100 KiB": get(b"X: " + b"a" * 102_400 + b"\r\n"),
    "1000": get(b"A: b\r\n" * 1000),
    "an expectation nobody knows": post(b"Expect: 200-ok\r\n", LENGTH),
    "one on a path nobody knows": get(b"Expect: 200-ok\r\n", target=b"/nowhere"),
    "types twice": post(b"Content-Type: application/json\r\nContent-Type: text/plain\r\n", LENGTH),
}
HOSTS = {
    "none": get(host=b""),
    "twice": get(b"Host: x\r\n"),
    "two": get(b"Host: y\r\n"),
    "a space": get(host=b"Host: a b\r\n"),
    "a list": get(host=b"Host: a, b\r\n"),
    "a path": get(host=b"Host: a/b\r\n"),
    "a user": get(host=b"Host: u:p@b\r\n"),
    "no digits as port": get(host=b"Host: a:b\r\n"),
    "too many digits as port": get(host=b"Host: a:999999\r\n"),
    "half an IPv6 address": get(host=b"Host: [::1\r\n"),
    "bytes beyond ASCII": get(host=b"Host: \xfc\r\n"),
    "a quote": get(host=b'Host: "a"\r\n'),
}
TARGETS = {
    "no slash": get(target=b"health"),
    "a star for GET": get(target=b"*"),
    "host and port": get(target=b"x:80"),
    "a fragment": get(target=b"/health#a"),
    "a port that is none": get(target=b"http://x:y/health"),
    "half an IPv6 address": get(target=b"http://[::1/health"),
    "no host": get(target=b"http:///health"),
    "another scheme": get(target=b"ftp://x/health"),
    "a file": get(target=b"file:///etc/passwd"),
    "UTF-8": get(target="/streams/ü".encode()),
    "Latin-1": get(target=b"/streams/\xfc"),
    "Latin-1 in the query": get(target=b"/messages?consumer_id=\xfc"),
    "control byte": get(target=b"/hea\x01lth"),
    "NUL": get(target=b"/hea\x00lth"),
    "a space": get(target=b"/health now"),
    "100 KiB": get(target=b"/" + b"a" * 102_400),
    "a query of 100 KiB": get(target=b"/health?" + b"a" * 102_400),
    "CONNECT": line(b"CONNECT x:80 HTTP/1.1"),
    "CONNECT to a path": line(b"CONNECT /health HTTP/1.1"),
    "CONNECT to no port": line(b"CONNECT x:y HTTP/1.1"),
}
REQUEST_LINES = {
    "no HTTP": b"NOT-HTTP\r\n\r\n",
    "tabs": line(b"GET\t/health\tHTTP/1.1"),
    "space in front": line(b" GET /health HTTP/1.1"),
    "space behind": line(b"GET /health HTTP/1.1 "),
    "bare LF": b"GET /health HTTP/1.1\nHost: x\n\n",
    "bare CR": b"GET /health HTTP/1.1\rHost: x\r\r",
    "bare LF in front of a header": b"GET /health HTTP/1.1\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/0.9 by name": get(version=b"HTTP/0.9"),
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "HTTP/1.10": get(version=b"HTTP/1.10"),
    "HTTP/2.0": get(version=b"HTTP/2.0"),
    "HTTP/3": get(version=b"HTTP/3"),
    "no number": get(version=b"HTTP/x.y"),
    "a sign": get(version=b"HTTP/+1.1"),
    "lower case": get(version=b"http/1.1"),
    "another protocol": get(version=b"RTSP/1.0"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200,
    "lower case method": line(b"get /health HTTP/1.1"),
    "unknown method": line(b"FROB /health HTTP/1.1"),
    "control byte in the method": line(b"G\x01T /health HTTP/1.1"),
    "bracket in the method": line(b"G(T /health HTTP/1.1"),
    "UTF-8 in the method": line("GÉT /health HTTP/1.1".encode()),
    "a method of 10,000 letters": line(b"G" * 10_000 + b" /health HTTP/1.1"),
    "HTTP/2's method": line(b"PRI /health HTTP/1.1"),
    "no method": line(b"/health HTTP/1.1"),
}
BEHIND_A_VALID_ONE = {
    "noise": get() + b"\x00\xff noise\r\n\r\n",
    "more body than was said": post(LENGTH) + b"12345\r\n\r\n",
    "a refused one": get() + get(host=b""),
    "a request behind the last": get(b"Connection: close\r\n"),
    "a request behind HTTP/1.0": get(version=b"HTTP/1.0"),
}
REFUSED = {
    "lengths": LENGTHS,
    "codings": CODINGS,
    "chunks": CHUNKINGS,
    "headers": HEADERS,
    "hosts": HOSTS,
    "targets": TARGETS,
    "request lines": REQUEST_LINES,
    "behind a valid one": BEHIND_A_VALID_ONE,
}

TAKEN = {
    "a length": (post(LENGTH), 201),
    "blanks behind a length": (post(b"Content-Length: %d \t\r\n" % len(EVENT)), 201),
    "a length with zeros": (post(b"Content-Length: 00%d\r\n" % len(EVENT)), 201),
    "a header that is none of ours": (post(b"Content_Length: 5\r\n", body=b""), 400),
    "a length on GET": (get(LENGTH) + EVENT, 200),
    "a body nobody reads, 404": (post(LENGTH).replace(b"/messages", b"/nowhere"), 404),
    "a body nobody reads, 405": (post(LENGTH).replace(b"POST", b"PUT"), 405),
    "a body nobody reads, 415": (post(b"Content-Type: a/b\r\n", LENGTH), 415),
    "a type that is none": (post(b"Content-Type: ;;=\r\n", LENGTH), 415),
    "two lines of encodings": (post(b"Content-Encoding: gzip\r\n" * 2, LENGTH), 415),
    "empty lines in front": (b"\r\n\r\n" + get(), 200),
    "an empty line between": (post(LENGTH) + b"\r\n", 201),
    "UTF-8 in a value": (get("X: ü\r\n".encode()), 200),
    "Latin-1 in a value": (get(b"X: \xfc\r\n"), 200),
    "Latin-1 as request id": (get(b"X-Request-Id: \xfc\r\n"), 200),
    "an empty host": (get(host=b"Host:\r\n"), 200),
    "an IPv6 host": (get(host=b"Host: [::1]:80\r\n"), 200),
    "an absolute target": (get(target=b"http://x/health"), 200),
    "an absolute target elsewhere": (get(target=b"HTTP://elsewhere:80/health"), 200),
    "an absolute target without path": (get(target=b"http://x"), 404),
    "a star": (line(b"OPTIONS * HTTP/1.1"), 404),
    "two slashes": (get(target=b"//health"), 404),
    "two slashes and a bracket": (get(target=b"//[/health"), 404),
    "dots": (get(target=b"/x/../health"), 404),
    "escaped dots": (get(target=b"/x/%2e%2e/health"), 404),
    "an escape that is none": (get(target=b"/streams/%zz"), 404),
    "escaped NUL": (get(target=b"/streams/%00"), 404),
    "escaped line break": (get(target=b"/streams/a%0d%0aX:%20y"), 404),
    "escaped bytes that are no UTF-8": (get(target=b"/streams/%ff/topics/%ed%a0%80"), 400),
    "escaped bytes in the query": (get(target=b"/messages?consumer_id=%ff"), 400),
    "TRACE": (line(b"TRACE /health HTTP/1.1"), 405),
    "a method of others": (line(b"M-SEARCH /health HTTP/1.1"), 405),
    "HTTP/1.0 that stays": (get(b"Connection: keep-alive\r\n", version=b"HTTP/1.0"), 200),
}
LAST = {
    "a host as a trailer": (chunk(b"%\r\n", trailers=b"Host: y\r\n"), 201),
    "chunks": (post(CHUNKED, body=CHUNKS), 201),
    "chunks in upper case": (coding(b" CHUNKED"), 201),
    "chunks after a tab": (coding(b"\tchunked"), 201),
    "a chunk extension": (chunk(b"%;a=b\r\n"), 201),
    "a chunk extension of 100 KiB": (chunk(b"%;a=" + b"a" * 102_400 + b"\r\n"), 201),
    "zeros before a chunk's size": (chunk(b"0" * 20 + b"%\r\n"), 201),
    "a trailer": (chunk(b"%\r\n", trailers=b"X: y\r\n"), 201),
    "chunks on GET": (get(CHUNKED) + CHUNKS, 200),
    "a WebSocket that nobody takes": (get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200),
    "h2c": (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"), 200),
    "h2c with a body": (post(b"Connection: Upgrade\r\nUpgrade: h2c\r\n", LENGTH), 201),
    "the last one said so": (get(b"Connection: close\r\n") + b"\r\n", 200),
    "HTTP/1.0": (get(version=b"HTTP/1.0", host=b""), 200),
    "a length past the limit": (post(b"Content-Length: 10485761\r\n", body=b""), 413),
}
