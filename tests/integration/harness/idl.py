"""A Varlink interface as its text describes it (varlink.org, "Interface definition"), read strictly,
to check what a service really says. Independent of the reader in lib/control."""

import re

TOKEN = re.compile(r"\s+|#[^\n]*|->|\[\]|\[string\]|[():,?]|[A-Za-z][A-Za-z0-9_.-]*")
BASIC = {
    "bool": lambda v: isinstance(v, bool),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "object": lambda v: isinstance(v, dict),
}


class Interface:
    def __init__(self, text):
        self._tokens = []
        at = 0
        while at < len(text):
            found = TOKEN.match(text, at)
            assert found, f"not Varlink: {text[at:at + 40]!r}"
            at = found.end()
            if not found[0].isspace() and not found[0].startswith("#"):
                self._tokens.append(found[0])
        self.types, self.methods, self.errors = {}, {}, {}
        self._expect("interface")
        self.name = self._next()
        while self._tokens:
            kind, name = self._next(), self._next()
            assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", name), name
            if kind == "type":
                self.types[name] = self._struct()
            elif kind == "error":
                self.errors[name] = self._struct()
            else:
                assert kind == "method", kind
                takes = self._struct()
                self._expect("->")
                self.methods[name] = (takes, self._struct())

    def _next(self):
        return self._tokens.pop(0)

    def _expect(self, token):
        got = self._next()
        assert got == token, f"{got} instead of {token}"

    def _struct(self):
        self._expect("(")
        fields = {}
        while self._tokens[0] != ")":
            name = self._next()
            assert re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", name) and name not in fields, name
            self._expect(":")
            fields[name] = self._type()
            if self._tokens[0] != ")":
                self._expect(",")
        self._expect(")")
        return fields

    def _type(self):
        if self._tokens[0] in ("?", "[]", "[string]"):
            return (self._next(), self._type())
        return self._struct() if self._tokens[0] == "(" else self._next()

    def check(self, value, kind, where="reply"):
        """Asserts that the value is of the kind, no more and no less."""
        if isinstance(kind, dict):
            assert isinstance(value, dict), f"{where} is no object: {value!r}"
            assert value.keys() <= kind.keys(), f"{where} has {value.keys() - kind.keys()} besides"
            for name, field in kind.items():
                self.check(value.get(name), field, f"{where}.{name}")
        elif isinstance(kind, tuple) and kind[0] == "?":
            if value is not None:
                self.check(value, kind[1], where)
        elif isinstance(kind, tuple):
            assert isinstance(value, list if kind[0] == "[]" else dict), f"{where}: {value!r}"
            for item in value if kind[0] == "[]" else value.values():
                self.check(item, kind[1], where + "[]")
        elif kind in self.types:
            self.check(value, self.types[kind], where)
        else:
            assert BASIC[kind](value), f"{where} is no {kind}: {value!r}"

    def check_reply(self, method, value):
        self.check(value, self.methods[method][1], method)

    def check_error(self, name, value):
        interface, _, error = name.rpartition(".")
        assert interface == self.name, name
        self.check(value, self.errors[error], error)
