# cython: language_level=3, boundscheck=False, wraparound=False, infer_types=False
"""`line_reader.LineReader`, compiled: the same readings in less than half the time.

Every pointer stays between a line's first byte and the byte behind its last one, which is Python's own NUL. A line that
is not written exactly as `json.dumps` writes lines of the reader's fields is no line of this reader.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.string cimport memchr, memcmp, memcpy

from billing_assets.domain.line_items import LineItem
from billing_assets.domain.line_reader import MAX_REMEMBERED, TEXTS, Reading, value_of

cdef enum:
    _MAX_FIELDS = 256
    _MAX_DEPTH = 50
    _MAX_DIGITS = 4000


cdef struct Value:
    const char* start
    Py_ssize_t size


cdef class _Order:
    """How values are joined for a hash."""

    cdef tuple openings
    cdef Py_ssize_t* places
    cdef Py_ssize_t count
    cdef Py_ssize_t fixed

    def __cinit__(self, order):
        self.openings = order.openings
        self.count = len(order.places)
        self.fixed = sum(map(len, self.openings)) + 1
        self.places = <Py_ssize_t*>PyMem_Malloc(self.count * sizeof(Py_ssize_t))
        if self.places == NULL:
            raise MemoryError
        for index, place in enumerate(order.places):
            self.places[index] = place

    def __dealloc__(self):
        PyMem_Free(self.places)

    cdef bytes joined(self, Value* values):
        cdef Py_ssize_t index, size = self.fixed
        for index in range(self.count):
            size += values[self.places[index]].size
        cdef bytes text = PyBytes_FromStringAndSize(NULL, size)
        cdef char* at = PyBytes_AS_STRING(text)
        cdef Value* value
        for index in range(self.count):
            opening = <bytes>self.openings[index]
            size = PyBytes_GET_SIZE(opening)
            memcpy(at, PyBytes_AS_STRING(opening), size)
            at += size
            value = &values[self.places[index]]
            memcpy(at, value.start, value.size)
            at += value.size
        at[0] = b'}'
        return text


cdef class LineReader:
    """A `Reader` of lines that are written as `json.dumps` writes them."""

    cdef tuple openings, read_fields, charge, override, unvouched
    cdef list latest
    cdef object charges
    cdef Py_ssize_t count, overridden
    cdef _Order v1, v2

    def __cinit__(self, plan):
        self.count = len(plan.names)
        if self.count > _MAX_FIELDS:
            raise ValueError("such a line is left to others")
        self.openings = plan.openings
        self.read_fields = plan.read
        self.overridden = plan.overridden
        self.charges = plan.charges
        self.charge = plan.charge
        self.override = plan.override
        self.unvouched = plan.unvouched
        # By place, a text that stood there in an earlier line and what it says: lines of a bill are mostly alike.
        self.latest = [(b"", None)] * self.count
        self.v1 = _Order(plan.v1)
        self.v2 = None if plan.v2 is None else _Order(plan.v2)

    def read(self, bytes line not None):
        """The line, if it has these fields and can be read as it stands."""
        # The call's own, since what is called below may let other threads in.
        cdef Value[_MAX_FIELDS] values
        cdef Py_ssize_t place
        if not self._find_values(line, values):
            return None
        try:
            for place in self.unvouched:
                if not _is_plain(values[place]):
                    value_of(_text(values[place]))
            item = self._item(values)
        except (ValueError, RecursionError):
            return None
        v1 = self.v1.joined(values)
        return Reading(v1, v1 if self.v2 is None else self.v2.joined(values), item)

    cdef bint _find_values(self, bytes line, Value* values):
        cdef const char* at = PyBytes_AS_STRING(line)
        cdef const char* end = at + PyBytes_GET_SIZE(line)
        cdef Py_ssize_t index, size
        for index in range(self.count):
            opening = <bytes>self.openings[index]
            size = PyBytes_GET_SIZE(opening)
            if end - at < size or memcmp(at, PyBytes_AS_STRING(opening), size) != 0:
                return False
            at += size
            values[index].start = at
            at = _after_value(at, end)
            if at == NULL:
                return False
            values[index].size = at - values[index].start
        return end - at == 1 and at[0] == b'}'

    cdef object _item(self, Value* values):
        cdef list fields = []
        cdef Py_ssize_t place
        cdef tuple field
        for field in self.read_fields:
            said = field[1]
            for place in <tuple>field[2]:
                said = self._said_at(place, field[0], values[place])
                if said:
                    break
            fields.append(said)
        charge = None
        for place in self.override if fields[self.overridden] else self.charge:
            charge = _said(self.charges, _text(values[place]), values[place])
        fields.append(charge)
        return LineItem(*fields)

    cdef object _said_at(self, Py_ssize_t place, object remembered, Value value):
        cdef tuple latest = <tuple>self.latest[place]
        cdef bytes text = <bytes>latest[0]
        if PyBytes_GET_SIZE(text) == value.size and memcmp(PyBytes_AS_STRING(text), value.start, value.size) == 0:
            return latest[1]
        text = _text(value)
        said = _said(remembered, text, value)
        self.latest[place] = (text, said)
        return said


cdef bytes _text(Value value):
    return PyBytes_FromStringAndSize(value.start, value.size)


cdef object _said(object remembered, bytes text, Value value):
    cdef PyObject* said = PyDict_GetItem(remembered, text)
    if said != NULL:
        return <object>said
    if remembered is TEXTS and _says_itself(value) and len(remembered) < MAX_REMEMBERED:
        new = PyUnicode_DecodeASCII(value.start + 1, value.size - 2, NULL)
        PyDict_SetItem(remembered, text, new)
        return new
    # PyDict_GetItem doesn't call it by itself.
    return remembered.__missing__(text)


cdef bint _says_itself(Value value) noexcept:
    """Whether it is a text that `text_of` has nothing to do with: beyond doubt, trimmed, and too long to be `N/A`."""
    if value.size < 6 or value.start[0] != b'"' or not _is_plain(value):
        return False
    return value.start[1] != b' ' and value.start[value.size - 2] != b' '


cdef const char* _after_text(const char* at, const char* end) noexcept:
    """Behind the text whose first quote stands in front of `at`; NULL if it doesn't end."""
    cdef const char* quote = at
    cdef const char* slash
    while True:
        quote = <const char*>memchr(quote, b'"', end - quote)
        if quote == NULL:
            return NULL
        slash = quote
        while slash > at and (slash - 1)[0] == b'\\':
            slash -= 1
        if (quote - slash) % 2 == 0:
            return quote + 1
        quote += 1


cdef const char* _after_value(const char* at, const char* end) noexcept:
    """Behind the value that begins at `at`; NULL if it doesn't end, or may be one that `json` refuses."""
    cdef int depth = 0
    cdef int digits = 0
    cdef char byte
    if at < end and at[0] == b'"':
        return _after_text(at + 1, end)
    while at < end:
        byte = at[0]
        if b'0' <= byte <= b'9':
            digits += 1
            if digits > _MAX_DIGITS:
                return NULL
            at += 1
            continue
        digits = 0
        if byte == b'"':
            at = _after_text(at + 1, end)
            if at == NULL:
                return NULL
            continue
        if byte == b'{' or byte == b'[':
            depth += 1
            if depth > _MAX_DEPTH:
                return NULL
        elif depth and (byte == b'}' or byte == b']'):
            depth -= 1
        elif not depth and (byte == b',' or byte == b'}'):
            return at
        at += 1
    return NULL


cdef bint _is_plain(Value value) noexcept:
    """Whether it is beyond doubt: a text of printable ASCII without backslashes, or a short integer that is positive."""
    cdef Py_ssize_t index
    cdef char byte
    if value.size > 1 and value.start[0] == b'"':
        for index in range(1, value.size - 1):
            byte = value.start[index]
            if not 32 <= byte <= 126 or byte == b'\\':
                return False
        return True
    if not 0 < value.size < 16 or not b'1' <= value.start[0] <= b'9':
        return value.size == 1 and value.start[0] == b'0'
    for index in range(1, value.size):
        if not b'0' <= value.start[index] <= b'9':
            return False
    return True
