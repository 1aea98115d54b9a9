# cython: language_level=3, boundscheck=False, wraparound=False, infer_types=False
"""`plain_line_reader` and `read_lines.PlainReadLines`, compiled: the same readings in a fraction of the time.

Every pointer stays between a line's first byte and the byte behind its last one, which is a newline or Python's own NUL.
A line that is not written exactly as `json.dumps` writes lines of the reader's fields is no line of this reader.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.string cimport memchr, memcmp, memcpy

from decimal import Decimal
from hashlib import sha256

from billing_assets.domain.line_items import LineItem
from billing_assets.domain.line_reader import CHARGES, MAX_REMEMBERED, TEXTS, TOLD, value_of
from billing_assets.domain.money import ZERO

cdef enum:
    _MAX_FIELDS = 256
    _MAX_DEPTH = 50
    _MAX_DIGITS = 4000


cdef Py_ssize_t _MAX_BYTES = 2**31


cdef struct Value:
    # From the first byte of the content.
    unsigned int start
    unsigned int size


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

    cdef bytes joined(self, bytes content, const Value* values):
        cdef const char* base = PyBytes_AS_STRING(content)
        cdef Py_ssize_t index, size = self.fixed
        for index in range(self.count):
            size += values[self.places[index]].size
        cdef bytes text = PyBytes_FromStringAndSize(NULL, size)
        cdef char* at = PyBytes_AS_STRING(text)
        cdef const Value* value
        for index in range(self.count):
            opening = <bytes>self.openings[index]
            size = PyBytes_GET_SIZE(opening)
            memcpy(at, PyBytes_AS_STRING(opening), size)
            at += size
            value = &values[self.places[index]]
            memcpy(at, base + value.start, value.size)
            at += value.size
        at[0] = b'}'
        return text


cdef class Reading:
    """A `line_reader.Reading`: where each value stands, of which is made what is asked for."""

    cdef bytes content
    cdef LineReader reader
    cdef Value* values
    cdef readonly tuple tells

    def __cinit__(self, LineReader reader not None, bytes content not None):
        self.reader = reader
        self.content = content
        self.values = <Value*>PyMem_Calloc(reader.count, sizeof(Value))
        if self.values == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.values)

    @property
    def v1_text(self):
        return self.reader.v1.joined(self.content, self.values)

    @property
    def v2_text(self):
        return self.reader.v2.joined(self.content, self.values)

    cpdef v1_hash(self):
        return sha256(self.reader.v1.joined(self.content, self.values)).hexdigest()

    cpdef v2_hash(self):
        return sha256(self.reader.v2.joined(self.content, self.values)).hexdigest()

    def matched(self, stored_hash):
        is_one = self.reader.v2 is self.reader.v1
        v2 = self.v2_hash()
        if v2 == stored_hash:
            return stored_hash, "v1" if is_one else "v2"
        if is_one or self.v1_hash() != stored_hash:
            return None
        return v2, "v1"

    def item(self):
        try:
            return self.reader.item_of(self.content, self.values)
        except (ValueError, RecursionError):
            return None


cdef class LineReader:
    """A `line_reader.Reader` of lines that are written as `json.dumps` writes them."""

    cdef tuple openings, read_fields, told, charge, override, unvouched
    cdef list latest_texts, latest_said
    cdef object charges
    cdef Py_ssize_t count, overridden
    cdef _Order v1, v2

    def __cinit__(self, plan):
        self.count = len(plan.names)
        if self.count > _MAX_FIELDS:
            raise ValueError("such a line is left to others")
        self.openings = plan.openings
        self.read_fields = plan.read
        self.told = plan.told
        self.overridden = plan.overridden
        self.charges = plan.charges
        self.charge = plan.charge
        self.override = plan.override
        self.unvouched = plan.unvouched
        # By place, a text that stood there in an earlier line and what it says: lines of a bill are mostly alike.
        self.latest_texts = [b""] * self.count
        self.latest_said = [None] * self.count
        self.v1 = _Order(plan.v1)
        self.v2 = self.v1 if plan.v2 is None else _Order(plan.v2)

    def read(self, bytes line not None):
        """The line, if it has these fields and may be read as it stands."""
        if PyBytes_GET_SIZE(line) > _MAX_BYTES:
            return None
        return self.read_in(line, 0, PyBytes_GET_SIZE(line))

    cdef Reading read_in(self, bytes content, Py_ssize_t start, Py_ssize_t end):
        # The call's own, since what is called below may let other threads in.
        cdef Value[_MAX_FIELDS] values
        cdef const char* base = PyBytes_AS_STRING(content)
        # Such as the CR of lines that end with CR LF.
        while end > start and (base[end - 1] == b'\r' or base[end - 1] == b' ' or base[end - 1] == b'\t'):
            end -= 1
        if not self.find_values(base, start, end, values):
            return None
        cdef Reading reading = Reading.__new__(Reading, self, content)
        memcpy(reading.values, values, self.count * sizeof(Value))
        try:
            reading.tells = self.told_at(self.told[0], base, values), self.told_at(self.told[1], base, values)
        except (ValueError, RecursionError):
            return None
        return reading

    cdef bint find_values(self, const char* base, Py_ssize_t start, Py_ssize_t stop, Value* values):
        cdef const char* at = base + start
        cdef const char* end = base + stop
        cdef Py_ssize_t index, size
        for index in range(self.count):
            opening = <bytes>self.openings[index]
            size = PyBytes_GET_SIZE(opening)
            if end - at < size or memcmp(at, PyBytes_AS_STRING(opening), size) != 0:
                return False
            at += size
            values[index].start = at - base
            at = _after_value(at, end)
            if at == NULL or at == base + values[index].start:
                return False
            values[index].size = (at - base) - values[index].start
        return end - at == 1 and at[0] == b'}'

    cdef object item_of(self, bytes content, const Value* values):
        cdef const char* base = PyBytes_AS_STRING(content)
        cdef Py_ssize_t place, index, count = len(self.read_fields)
        for place in self.unvouched:
            if not _is_plain(base + values[place].start, values[place].size):
                value_of(PyBytes_FromStringAndSize(base + values[place].start, values[place].size))
        cdef tuple fields = PyTuple_New(count + 1)
        for index in range(count):
            said = self.said_of(<tuple>self.read_fields[index], content, values)
            Py_INCREF(said)
            PyTuple_SET_ITEM(fields, index, said)
        charge = None
        for place in self.override if fields[self.overridden] else self.charge:
            charge = _said(self.charges, PyBytes_FromStringAndSize(base + values[place].start, values[place].size))
        Py_INCREF(charge)
        PyTuple_SET_ITEM(fields, count, charge)
        return LineItem(*fields)

    cdef object told_at(self, object place, const char* base, const Value* values):
        if place is None:
            return ""
        cdef const Value* value = &values[<Py_ssize_t>place]
        if base[value.start] == b'"':
            # A text tells what it says, which `item_of` asks for again.
            return self.said_at(place, TEXTS, base + value.start, value.size)
        return _said(TOLD, PyBytes_FromStringAndSize(base + value.start, value.size))

    cdef object said_of(self, tuple field, bytes content, const Value* values):
        cdef const char* base = PyBytes_AS_STRING(content)
        cdef Py_ssize_t place
        said = field[1]
        for place in <tuple>field[2]:
            said = self.said_at(place, field[0], base + values[place].start, values[place].size)
            if said:
                break
        return said

    cdef object said_at(self, Py_ssize_t place, object remembered, const char* start, Py_ssize_t size):
        cdef bytes text = <bytes>self.latest_texts[place]
        if PyBytes_GET_SIZE(text) == size and memcmp(PyBytes_AS_STRING(text), start, size) == 0:
            return self.latest_said[place]
        text = PyBytes_FromStringAndSize(start, size)
        said = _said(remembered, text)
        # No other thread comes between these two.
        self.latest_texts[place] = text
        self.latest_said[place] = said
        return said


cdef class Lines:
    """`read_lines.ReadLines`, compiled: the lines stay where they stand in the content."""

    cdef bytes content
    cdef object readers
    cdef Value* lines
    cdef Py_ssize_t count
    cdef list readings, first_alike, unusual
    cdef dict first_telling

    def __cinit__(self, bytes content not None, readers):
        if PyBytes_GET_SIZE(content) > _MAX_BYTES:
            raise ValueError("more than the bytes that positions are counted in")
        cdef const char* base = PyBytes_AS_STRING(content)
        cdef const char* end = base + PyBytes_GET_SIZE(content)
        cdef const char* at = base
        cdef const char* newline
        cdef Py_ssize_t room = 0
        cdef Value* lines
        while at < end:
            newline = <const char*>memchr(at, b'\n', end - at)
            if newline == NULL:
                newline = end
            if not _is_blank(at, newline):
                if self.count == room:
                    room = 2 * room + 8
                    lines = <Value*>PyMem_Realloc(self.lines, room * sizeof(Value))
                    if lines == NULL:
                        raise MemoryError
                    self.lines = lines
                self.lines[self.count].start = at - base
                self.lines[self.count].size = newline - at
                self.count += 1
            at = newline + 1
        self.content = content
        self.readers = readers
        self.readings = []
        self.first_alike = []
        self.first_telling = {}
        self.unusual = []

    def __dealloc__(self):
        PyMem_Free(self.lines)

    def __len__(self):
        return self.count

    def text_at(self, Py_ssize_t position):
        if not 0 <= position < self.count:
            raise IndexError(position)
        return PyBytes_FromStringAndSize(
            PyBytes_AS_STRING(self.content) + self.lines[position].start, self.lines[position].size
        )

    def reading_at(self, Py_ssize_t position):
        self.read_until(position)
        return self.readings[position]

    def hinted(self, stored_hash, position):
        # A hint may be any number.
        if not 0 <= position < self.count:
            return None
        self.read_until(position)
        reading = self.readings[position]
        if reading is None or (match := reading.matched(stored_hash)) is None or (item := reading.item()) is None:
            return None
        return match[0], match[1], item, bool(self.unusual) or self.first_alike[position] != position

    def perhaps_equal(self, Py_ssize_t position):
        self.read_until(position)
        if self.readings[position] is None:
            return list(range(position))
        first = self.first_alike[position]
        if first == position and not self.unusual:
            return []
        alike = [other for other in range(first, position) if self.first_alike[other] == first]
        return alike + [other for other in self.unusual if other < position]

    cdef object read_until(self, Py_ssize_t position):
        cdef Py_ssize_t other
        if not 0 <= position < self.count:
            raise IndexError(position)
        for other in range(len(self.readings), position + 1):
            reading = self.read_at(other)
            if reading is None:
                self.unusual.append(other)
                self.first_alike.append(other)
            else:
                self.first_alike.append(self.first_telling.setdefault(reading.tells, other))
            self.readings.append(reading)

    cdef object read_at(self, Py_ssize_t position):
        cdef Value line = self.lines[position]
        for reader in self.readers.latest:
            if type(reader) is not LineReader:
                break
            reading = (<LineReader>reader).read_in(self.content, line.start, line.start + line.size)
            if reading is not None:
                return reading
        return self.readers.read(self.text_at(position))


cdef bint _is_blank(const char* start, const char* end) noexcept:
    """Whether nothing stands there but what `bytes.strip` takes away."""
    while start < end and (start[0] == b' ' or 9 <= start[0] <= 13):
        start += 1
    return start == end


cdef object _said(object remembered, bytes text):
    cdef PyObject* said = PyDict_GetItem(remembered, text)
    if said != NULL:
        return <object>said
    cdef const char* start = PyBytes_AS_STRING(text)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    if len(remembered) < MAX_REMEMBERED:
        new = None
        if remembered is TEXTS and _says_itself(start, size):
            new = PyUnicode_DecodeASCII(start + 1, size - 2, NULL)
        elif remembered is CHARGES and _is_usual_money(start, size):
            new = Decimal(PyUnicode_DecodeASCII(start + 1, size - 2, NULL)) or ZERO
        if new is not None:
            PyDict_SetItem(remembered, text, new)
            return new
    # PyDict_GetItem doesn't call it by itself.
    return remembered.__missing__(text)


cdef bint _says_itself(const char* start, Py_ssize_t size) noexcept:
    """Whether it is a text that `text_of` has nothing to do with: beyond doubt, trimmed, and too long to be `N/A`."""
    if size < 6 or start[0] != b'"' or not _is_plain(start, size):
        return False
    return start[1] != b' ' and start[size - 2] != b' '


cdef bint _is_usual_money(const char* start, Py_ssize_t size) noexcept:
    """Whether it is a text of a few digits, a point, and two digits: `parse_money` looks no further either."""
    cdef Py_ssize_t index, point = size - 4
    if not 6 <= size <= 18 or start[0] != b'"' or start[size - 1] != b'"' or start[point] != b'.':
        return False
    for index in range(1, size - 1):
        if index != point and not b'0' <= start[index] <= b'9':
            return False
    return True


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


cdef bint _is_plain(const char* start, Py_ssize_t size) noexcept:
    """Whether it is beyond doubt: a text of printable ASCII without backslashes, or a short integer that is positive."""
    cdef Py_ssize_t index
    cdef char byte
    if size > 1 and start[0] == b'"':
        for index in range(1, size - 1):
            byte = start[index]
            if not 32 <= byte <= 126 or byte == b'\\':
                return False
        return True
    if not 0 < size < 16 or not b'1' <= start[0] <= b'9':
        return size == 1 and start[0] == b'0'
    for index in range(1, size):
        if not b'0' <= start[index] <= b'9':
            return False
    return True
