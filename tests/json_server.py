"""A server with RedisJSON's commands, and with MSETEX, for tests/it/json_module.rs and capabilities.rs: fakeredis over TCP, on a free port of the loopback interface.

Prints its port, and ends when its standard input does, that is with the test, however that ends.

fakeredis speaks RESP3 itself: `HELLO 3`, PING with a token and the shapes of RESP3 replies are its own, as is all it knows of JSON. Put right here is
only where its answers are not those of RedisJSON (its documentation, and its source redis_json/src/commands.rs), which the crate is written for:

- The crate's client sends `HELLO` as an inline command, as one does by hand. fakeredis takes commands only as lists.
- After an error fakeredis closes the connection. A Redis server does not.
- JSON.GET and JSON.MGET with a path that begins with `$` reply a list of the matches; fakeredis leaves the list out where there is one match, in
  JSON.GET if that is an array, in JSON.MGET always. Of a missing key JSON.MGET replies nothing; fakeredis an empty list.
- Where a path matches nothing, what changes values in place replies an empty list; fakeredis an error.
- JSON.TOGGLE replies nothing in the place of what is no boolean; fakeredis an error if all matches are such.
- JSON.TYPE of a missing key replies nothing; fakeredis an error.
- JSON.SET and JSON.MERGE create a document at `$` only; in fakeredis JSON.SET does at any path, JSON.MERGE nowhere.
- COMMAND LIST, of Redis 7, is missing in fakeredis.
- A key that holds no document is an error, in just these words, without a code; fakeredis takes what it holds for JSON.
"""

import os
import sys
import threading

from fakeredis import TcpFakeServer
from fakeredis._clients import _tcp_server
from fakeredis._commands import command
from fakeredis._helpers import OK, SimpleError
from fakeredis.commands_mixins.server_mixin import ServerCommandsMixin
from fakeredis.model._command_info import get_all_commands_info
from fakeredis.stack import _json_mixin
from redis.exceptions import RedisError

JSON = _json_mixin.JSONCommandsMixin


class Handler(_tcp_server.TCPFakeRequestHandler):
    def setup(self):
        super().setup()
        read = self.current_client.read_response

        def read_or_error(*args, **kwargs):
            try:
                return read(*args, **kwargs)
            except RedisError as error:
                return refusal(error)

        self.current_client.read_response = read_or_error
        self.rfile.readline = self.read_first

    def read_first(self):
        """Reads the first line of the connection. If that is a command by itself, it is passed on as a list."""
        self.first = getattr(self, "first", b"") + type(self.rfile).readline(self.rfile)
        if not self.first.endswith(b"\n"):
            return b""
        del self.rfile.readline
        if self.first.startswith(b"*"):
            return self.first
        words = self.first.split()
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


WRONG_TYPE = "Existing key has wrong Redis type"


def refusal(error):
    """An error on its way out, with fakeredis' own code, but for the one that has none."""
    text = str(error)
    return SimpleError(text if text == WRONG_TYPE else f"{_tcp_server._get_exception_prefix(error)} {text}")


def is_document(value):
    return value is None or isinstance(value, (dict, list, str, int, float))


def matches(item, path, server_type="redis"):
    return [match.value for match in _json_mixin._parse_jsonpath(path, server_type).find(item.value)]


def get_single(self, item, path, *_args, **_kwargs):
    if item.key not in item.db or not is_document(item.value):
        return None
    return matches(item, path)


def no_error_without_a_match(iterate):
    def iterate_or_nothing(method, key, path, *args, **kwargs):
        if key.value is not None and not matches(key, path):
            return []
        return iterate(method, key, path, *args, **kwargs)

    return iterate_or_nothing


def toggle(original):
    def json_toggle(self, key, *args):
        found = matches(key, args[0]) if key.value is not None else []
        if key.value is not None and not any(isinstance(value, bool) for value in found):
            return [None] * len(found)
        return original(self, key, *args)

    return json_toggle


def type_of(original):
    return lambda self, key, *args: [None] if key.value is None else original(self, key, *args)


NOT_AT_ROOT = SimpleError("ERR new objects must be created at the root")


def json_set(original):
    def at_root_first(self, key, path, value, *args):
        if key.value is None and path != b"$" and b"XX" not in args:
            raise NOT_AT_ROOT
        return original(self, key, path, value, *args)

    return at_root_first


def json_merge(original):
    def at_root_first(self, key, path, value):
        if key.value is not None:
            return original(self, key, path, value)
        if path != b"$":
            raise NOT_AT_ROOT
        key.update(value)
        return OK

    return at_root_first


def checked(original):
    def command(self, key, *args):
        if not is_document(key.value):
            raise SimpleError(WRONG_TYPE)
        return original(self, key, *args)

    return command


@command(name="COMMAND LIST", fixed=(), repeat=())
def command_list(self):
    return list(get_all_commands_info())


ServerCommandsMixin.command_list = command_list
JSON._get_single = get_single
_json_mixin._json_write_iterate = no_error_without_a_match(_json_mixin._json_write_iterate)
JSON.json_toggle = toggle(JSON.json_toggle)
JSON.json_type = type_of(JSON.json_type)
JSON.json_set = json_set(JSON.json_set)
JSON.json_merge = json_merge(JSON.json_merge)
for name in [name for name in vars(JSON) if name.startswith("json_") and name not in ("json_mget", "json_mset")]:
    setattr(JSON, name, checked(getattr(JSON, name)))


def end_with_the_test():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_test, daemon=True).start()
    with TcpFakeServer(("127.0.0.1", 0)) as server:
        server.RequestHandlerClass = Handler
        print(server.server_address[1], flush=True)
        server.serve_forever()
