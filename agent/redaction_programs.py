"""Programs that take a password as an option whose name is no secret's: -p, -a, -u NAME:PASSWORD."""

from agent.redaction_cuts import CUT

# The option means something else to other programs.
_MYSQL = r"(?:mysql|mariadb)(?:-?(?:admin|backup|binlog|check|dump|import|pump|sh|show|slap|upgrade))?"
_LOGIN = r"(?:docker|podman|nerdctl|buildah|skopeo|oras|registry|az|acr|oc)[ \t]+login"
_MONGO = rf"(?:mongo[a-z]*|cqlsh|{_LOGIN})"
_LDAP = r"ldap(?:add|compare|delete|exop|modify|modrdn|passwd|search|whoami)"
_BEGIN, _END = r"(?<![\w.=-])", r"(?![\w.:/@=-])"
_PROGRAM = rf"{_BEGIN}(?:redis-cli|{_MYSQL}|{_MONGO}|{_LDAP}|sshpass|crictl){_END}"
# What stands before the option: nothing of another command. MySQL's, with its password in one word, may follow any SQL.
_SAME = rf"{_END}(?:(?!{_PROGRAM}|mkdir)[^\n;|&])*?[ \t\"']"
_SQL = rf"{_END}(?:(?!{_PROGRAM})[^\n])*?[ \t\"']"
_OPTIONS = rf"(?:[ \t\"',\\]+-(?:v|P[ \t\"',\\]*(?:(?!{_BEGIN}sshpass)[^\s\"',\\])+))*[ \t\"',\\]+"
_OPENS = r"[\"'](?![\s,;:&|)}\]])"
# A list of words has the password after a comma. In JSON a key may stand there, or what is no string; and where the
# option only ends a string, the comma is JSON's.
_PLAIN = r"[\[{]|(?:null|true|false|None|-?[0-9][0-9.eE+-]*)[ \t\r]*(?:[,}\]\n]|$)"
_KEY = (
    r"(?:\"(?:[^\"\\\n]|\\.)*\"|(?P<escape>\\+)\"(?:[^\"\\\n]|(?!(?P=escape)\")\\++\"?)*(?P=escape)\"|'[^'\n]*')[ \t]*:"
)
_NEXT = (
    rf"(?:(?<=[\"']-[apw])|(?<=[\"']--auth))[\"'\\]+,[ \t]*(?!{_PLAIN}|{_KEY})|"
    r"(?<![\"']-[apw])(?<![\"']--auth),[ \t]*(?![\[{]|[\w./-]+:\s|[\"'\\]+[ \t\r]*(?:[,:}\]\n]|\\+[nr]|$))"
)
# Options of others that begin as MySQL's -pPASSWORD does.
_OTHER = r"assword\b|ort\b|lugin|id(?:s|[_-]?file)?\b"
LETTER = (
    rf"{_BEGIN}(?:{_MYSQL}{_SQL}-p(?!{_OTHER})(?:{_OPENS})?|(?:redis-cli{_SAME}-a(?=[\s\"',\\])|"
    rf"{_MONGO}{_SAME}-p|{_LDAP}{_SAME}-w|sshpass{_OPTIONS}-p|crictl{_SAME}--auth(?:=|(?=[\s\"',\\])))"
    rf"(?:{_NEXT}|[ \t]+|{_OPENS})?)"
)
LETTER_TRIGGER = (
    r"redis-cli[^\n]*[ \t\"']-a|crictl[^\n]*[ \t\"']--auth|"
    r"(?:mysql|mariadb|mongo|cqlsh|[ \t]login|ldap|sshpass)[^\n]*[ \t\"',\\]-[pw]"
)
# No password: another option, what a shell goes on with, and the ports that a container publishes.
NO_WORD = rf"{CUT}|[-,|;&<>]|(?:[0-9.]+:)?[0-9-]+:[0-9-]+(?:/[a-z]+)?(?:[\s\"',\\]|$)"
# What a quote right behind the option holds, where another ends it.
GLUED = r"(?:(?<=-[apw]')[^\"'\\\n]{1,128}+(?=')|(?<=-[apw]\")[^\"'\\\n]{1,128}+(?=\"))"
# Where a string may be the value: apart from the option, or escaped; a quote right behind it may end what is around.
STRING = r"(?:(?<=[\s,=])|(?=\\+\"[^\\]))"
WORD = r"[^\s\"'\\]*[^\s\"'\\,;)}\]]"

# Programs whose -u takes NAME:PASSWORD; that of `ctr run`, as those of docker and nerdctl, is a user of the container.
_START = rf"(?:\b(?:curl|etcdctl)\b|{_BEGIN}ctr(?=[ \t\"',\\]))"
_REMOTE = rf"{_BEGIN}ctr(?=[ \t\"',\\])(?:(?!{_START})[^\n;|&])*?[ \t\"'](?:pull|push|fetch)(?=[ \t\"',\\])"
CREDENTIALS = (
    rf"(?:\b(?:curl|etcdctl)\b(?:(?!{_START})[^\n])*?|(?>{_REMOTE})(?:(?!{_START})[^\n;|&])*?)[ \t\"'](?:-u|--user)"
    r"(?:[\"'\\]+,[ \t]*|[ \t=]+)?[\"'\\]*[^\s:\"'\\]+:"
)
CREDENTIALS_TRIGGER = r"(?:curl|etcdctl|ctr[ \t\"',\\][^\n]*(?:pull|push|fetch))[^\n]*[ \t\"'](?:-u|--user)"
# curl's and git's .netrc, on one line, and on lines of their own: there the value has a digit, as few words have.
NETRC = r"\b(?:machine[ \t]+[^\s\"'\\]+|default)[ \t]+login[ \t]+[^\s\"'\\]+[ \t]+password[ \t]+"
NETRC_TRIGGER = r"(?:machine|default)[ \t][^\n]*login[ \t][^\n]*password[ \t]"
LINE = r"(?:(?<![^\n])|(?<= [FP] ))[ \t]*(?:login[ \t]+[^\s\"'\\]+[ \t]+)?password[ \t]+"
LINE_VALUE = r"(?=[^\s\"'\\]*[0-9])[^\s\"'\\]{6,}(?=[ \t\r]*(?:\n|$))"
LINE_TRIGGER = r"password[ \t]+[^\s]*[0-9]"
