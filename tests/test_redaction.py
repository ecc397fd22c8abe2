import json
import tomllib

import pytest
import yaml

from agent.redaction import cut_secrets, redact
from agent.redaction_cuts import CUT

SIGNED = (
    "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20261122T150000Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
)
# Of `aws ecr get-login-password`: {"payload":"…", without dots.
PASSWORD = "eyJwYXlsb2FkIjoi" + "QTFiMkMz" * 20
CRI = "2026-11-22T15:04:05.000000000Z stdout F "
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIAbc\nMHcCAQEEIDef\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"PUT {SIGNED} failed", "X-Amz-Date"),
        (f"PUT {SIGNED} failed", "0f1e2d3c"),
        ("https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=abcDEF%3D&Expires=1", "abcDEF"),
        ("?X-Amz-Security-Token=IQoJb3JpZ2luX2VjEXAMPLE&x=1", "IQoJ"),
        ("&Signature=abcDEF%3D&Expires=1700000000", "abcDEF"),
        ("token k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtd2VzdC0y", "aHR0cHM6"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/2026, Signature=0f1e2d3c", "0f1e2d3c"),
        ("https_proxy=http://someone:hunter2@proxy.internal:3128", "hunter2"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ('{"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG"}', "wJalrXUtnFEMI"),
        ("found AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
        ("session IQoJb3JpZ2luX2VjEAAaCXVzLXdlc3QtMiJHMEUCIQ==", "CXVzLXdlc3QtMi"),
        ("docker login QVdTOmV5SndZWGxzYjJGa0lqb2lhR", "SndZWGxzYjJGa0lqb2lhR"),
        ("bootstrap-token = 'abcdef.0123456789abcdef'", "0123456789abcdef"),
        ("X-aws-ec2-metadata-token: AQAEAexample==", "AQAEAexample"),
        (KEY, "MHcCAQEEI"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcut off in the middle", "MIIcut"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOY", "lQOY"),
        ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3c=", "UFJJVkFURSBLRVkt"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ('{"auths": {"registry.example": {"auth": "dXNlcjpodW50ZXIy"}}}', "dXNlcjpodW50ZXIy"),
        ('identitytoken = "hunter2hunter2"', "hunter2"),
        ("net.ipv6.conf.all.stable_secret = 2001:db8::1", "2001:db8::1"),
        ("net.ipv4.tcp_fastopen_key = 0f1e2d3c-4b5a6978-8796a5b4-c3d2e1f0", "0f1e2d3c"),
        ("mysqld --user root --password hunter2 --port 1", "hunter2"),
        ('"args": ["--token", "hunter2"]', "hunter2"),
        ('"env": ["DB_PASSWORD=hunter2 and more"]', "and more"),
        ('{"name": "API_KEY", "value": "hunter2"}', "hunter2"),
        ("client-key-data: TUhjQ0FRRUVJ", "TUhjQ0FRRUVJ"),
        ("    token: 3f2b9c0de1a2", "3f2b9c0de1a2"),
        ('{"msg": "{\\"password\\": \\"hunter2\\"}"}', "hunter2"),
        ('password: "two words, and \\" more"', "more"),
        ("password='it\"s secret'", "secret"),
        ('password="never closed', "never"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "abcdefghij"),
        ("LS0tLS1CRUdJTiBEU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3c=", "UFJJVkFURSBLRVkt"),
        ("LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkgQkxPQ0stLS0tLQ==", "SBLRVkgQkxP"),
        ("x-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("http://a?b http://c?X-Amz-Date=1&X-Amz-Signature=0f1e", "Date"),
        ("http_proxy=http://u:p@hunter2@proxy:3128", "hunter2"),
        ("http://u:a\\u0026hunter2@proxy:3128", "hunter2"),
        ("password=abc/hunter2", "hunter2"),
        ('token: "kube-system/hunter2"', "hunter2"),
        ("client_secret=abc/hunter2", "hunter2"),
        ("secret: 0f1e/Hunter2", "Hunter2"),
        ("password: 'it''s hunter2'", "hunter2"),
        ('--password "hunter2 x" --port 1', "hunter2"),
        ("--password 'hunter2 x'", "x"),
        ("'--password' 'hunter2'", "hunter2"),
        ("--db-pass hunter2", "hunter2"),
        ('["--token", "two hunter2"]', "hunter2"),
        ('["--token",\n "hunter2"]', "hunter2"),
        ("args:\n- --token\n- hunter2", "hunter2"),
        ("DB_PASS=hunter2", "hunter2"),
        ("DB_PASS=12345", "12345"),
        ("db_pass: hunter2", "hunter2"),
        ("pass: hunter2", "hunter2"),
        ('pass: "two hunter2"', "hunter2"),
        ("username=x,pass=hunter2,vers=3", "hunter2"),
        ('psk="hunter2"', "hunter2"),
        ("wpa_psk=hunter2", "hunter2"),
        ("PresharedKey = hunter2", "hunter2"),
        ("Cookie: a=b; session=hunter2", "hunter2"),
        ('"Set-Cookie": ["session=hunter2"]', "hunter2"),
        ("curl -u admin:hunter2 https://x", "hunter2"),
        ("curl -sS --user 'admin:hunter2' https://x", "hunter2"),
        ('["curl", "-u", "admin:hunter2"]', "hunter2"),
        ("<SecretAccessKey>hunter2</SecretAccessKey>", "hunter2"),
        ('user-data = "hunter2"', "hunter2"),
        ('"UserData": "IyEvYmluL2Jhc2gKaHVudGVyMgo="', "IyEvYmlu"),
        ("userData: IyEvYmluL2Jhc2gKaHVudGVyMgoIyEvYmluL2Jhc2gK", "IyEvYmlu"),
        ('password = """hunter2"""', "hunter2"),
        ("password = '''hunter2'''", "hunter2"),
        ('user-data = """\n#!/bin/sh\nhunter2\n"""', "hunter2"),
        ('password = """\na \\""" hunter2\n"""', "hunter2"),
        ('{"toml": "password = \\"\\"\\"hunter2\\"\\"\\""}', "hunter2"),
        ('"token": ["hunter2", "b"]', "hunter2"),
        ('tokens = [\n  "a", # first\n  "hunter2",\n]', "hunter2"),
        ('{"toml": "tokens = [\\"hunter2\\"]"}', "hunter2"),
        ("tokens: [a, hunter2]", "hunter2"),
        ("password: |\n  a\n\n  hunter2\n", "hunter2"),
        ("a:\n- token: >-  # folded\n    hunter2\n", "hunter2"),
        ("password:\n  hunter2\n", "hunter2"),
        ('"password":\n   "hunter2"', "hunter2"),
        ("tokens:\n- a\n- 'hunter2 x'\n", "hunter2"),
        ("- name: DB_PASSWORD\n  value: hunter2\n", "hunter2"),
        ('[{"name": "DB_PASSWORD",\n  "value": "hunter2"}]', "hunter2"),
        (f"{CRI}password: |\n{CRI}  hunter2\n", "hunter2"),
        ("redis-server --requirepass hunter2 --port 6379", "hunter2"),
        ("redis-server --masterauth hunter2", "hunter2"),
        ("masterauth: hunter2", "hunter2"),
        ("redis-cli -a hunter2 ping", "hunter2"),
        ("redis-cli -h 10.0.0.1 -p 6379 -a hunter2 ping", "hunter2"),
        ("mysqladmin -uroot -phunter2 ping", "hunter2"),
        ("/usr/bin/mysql -h mysql -phunter2 db", "hunter2"),
        ("mysql -h mysql.svc -u root -p'hunter2' db", "hunter2"),
        ("mysql -u root -p'two hunter2' db", "two hunter2"),
        ('["sh","-c","sshpass -p\'two hunter2\' ssh"]', "two hunter2"),
        ('mysql -p"two hunter2" db', "two hunter2"),
        ("sh -c \"mysql -e 'select 1; select 2' -phunter2\"", "hunter2"),
        ("mysqldump -pa | mariadb -h x -phunter2", "hunter2"),
        ("mysql -passw0rd-hunter2", "hunter2"),
        ('["mysqladmin","-uroot","-phunter2"]', "hunter2"),
        ("mongo -u root -p hunter2", "hunter2"),
        ("mongosh mongodb://db/x --eval 'db.x()' -u root -phunter2", "hunter2"),
        ("mongodump -u root -p '12 hunter2'", "hunter2"),
        ("cqlsh -u me -p hunter2", "hunter2"),
        ("docker login -u me -p hunter2 registry.example", "hunter2"),
        ("ldapsearch -x -D cn=me -w hunter2", "hunter2"),
        ("sshpass -p hunter2 ssh -p 22 host", "hunter2"),
        ("sshpass -v -P Password -phunter2 ssh host", "hunter2"),
        ('["sshpass", "-p", "two hunter2", "ssh"]', "hunter2"),
        ('{"msg": "[\\"sshpass\\", \\"-p\\", \\"hunter2\\"]"}', "hunter2"),
        ('["redis-cli","-a","hunter2"]', "hunter2"),
        ('["redis-cli", "-a", "two \\" hunter2", "ping"]', "hunter2"),
        ('{"msg": "[\\"redis-cli\\",\\"-a\\",\\"hunter2\\"]"}', "hunter2"),
        ('["redis-cli", "-a", hunter2]', "hunter2"),
        ("[redis-cli, -a, hunter2] [crictl, pull, --auth, hunter2]", "hunter2"),
        ("[redis-cli, -a, 'two hunter2']", "hunter2"),
        ('{"cmd": "mongosh -p\\"hunter2\\" x"}', "hunter2"),
        ("mysql -pidhunter2", "hunter2"),
        ("--companyauth me:hunter2", "hunter2"),
        ("curl --anyauth -u me:hunter2 host", "hunter2"),
        ("openssl rsa -passin pass:hunter2 -in key", "hunter2"),
        ("keytool -storepass hunter2", "hunter2"),
        ("--dbpass=hunter2", "hunter2"),
        ("--dbpass=12345", "12345"),
        ("--rootpass hunter2", "hunter2"),
        ("args:\n- --rootpass\n- hunter2", "hunter2"),
        ('"adminpass": "hunter2"', "hunter2"),
        ("MYSQLPASS=hunter2", "hunter2"),
        ("--auth me:hunter2", "hunter2"),
        ("--basic-auth=me:hunter2", "hunter2"),
        ("'--http-auth' 'me:hunter2'", "hunter2"),
        ('["--auth", "me:hunter2"]', "hunter2"),
        ('["--auth=me:hunter2"]', "hunter2"),
        ('{"msg": "[\\"--auth\\", \\"me:hunter2\\"]"}', "hunter2"),
        ("args:\n- --auth\n- me:hunter2", "hunter2"),
        ("etcdctl --user root:hunter2 get /", "hunter2"),
        ("AccountName=a;AccountKey=aHVudGVyMg==;EndpointSuffix=core.windows.net", "aHVudGVyMg"),
        ("account_key: hunter2", "hunter2"),
        ("me:hunter2@tcp(db:3306)/x?parseTime=true", "hunter2"),
        ('dsn="me:a@b:hunter2@unix(/run/mysqld.sock)/x"', "hunter2"),
        ("DSN=me:hunter2@tcp(db:3306)/", "hunter2"),
        ("Server=db;Uid=me;Pwd=hunter2;", "hunter2"),
        ("Driver={x};UID=me;PWD=12345;", "12345"),
        ("UID=me;PWD=/hunter2", "hunter2"),
        ('{"user": "me", "pwd": "hunter2"}', "hunter2"),
        (PASSWORD, "QTFi"),
        (f"Password:\\n{PASSWORD}", "QTFi"),
        (
            f"ctr --namespace k8s.io images pull --user AWS:{PASSWORD} 602401143452.dkr.ecr.us-west-2.amazonaws.com/x",
            "QTFi",
        ),
        (".dockerconfigjson: eyJhdXRocyI6eyJyLmV4YW1wbGUiOnsiYXV0aCI6ImRYTmxja", "OnsiYXV0"),
        ("config.json: ewoJImF1dGhzIjogewoJCSJyLmV4YW1wbGUiOiB7", "gewoJCSJy"),
        ("ctr image pull -u AWS:hunter2 x", "hunter2"),
        ("ctr i push --user=me:hunter2 x", "hunter2"),
        ('["ctr", "content", "fetch", "--user", "me:hunter2"]', "hunter2"),
        ("crictl pull --creds AWS:hunter2 x", "hunter2"),
        ("crictl pull --auth aHVudGVyMg== x", "aHVudGVyMg"),
        ("crictl pull --auth=aHVudGVyMg== x", "aHVudGVyMg"),
        ('["crictl", "pull", "--auth", "hunter2"]', "hunter2"),
        ("skopeo copy --src-creds me:a --dest-creds=you:hunter2 x y", "hunter2"),
        ("args:\n- --creds\n- me:hunter2", "hunter2"),
        ("nerdctl login -u AWS -p hunter2 x", "hunter2"),
        ("docker login --username AWS -p hunter2 x", "hunter2"),
        ("aws configure set aws_secret_access_key hunter2", "hunter2"),
        ("aws configure set profile.a.aws_session_token hunter2 --region x", "hunter2"),
        ("ENV AWS_SECRET_ACCESS_KEY wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ('["aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG"]', "wJalrXUtnFEMI"),
        ("machine github.com login me password hunter2", "hunter2"),
        ("default login me password hunter2", "hunter2"),
        ("machine h\n  login me\n  password hunter2\n", "hunter2"),
        (f"{CRI}machine h\n{CRI}  login me password hunter2\r\n", "hunter2"),
        ("https%3A%2F%2Fb.s3.amazonaws.com%2Fk%3FX-Amz-Signature%3D0f1e2d3c%26x%3D1", "0f1e2d3c"),
        ("%26X-Amz-Security-Token%3dIQoJabc%26X-Amz-Signature%3d0f1e2d3c", "IQoJabc"),
        ("%26X-Amz-Security-Token%3dIQoJabc%26X-Amz-Signature%3d0f1e2d3c", "0f1e2d3c"),
        ("url=https%253A%252F%252Fb%253FX-Amz-Signature%253D0f1e2d3c%2526x", "0f1e2d3c"),
        ("map[Authorization:[Basic hunter2] Accept:[*/*]]", "hunter2"),
        ('"Authorization": ["Basic hunter2"]', "hunter2"),
        ('{\\"Authorization\\":\\"hunter2\\"}', "hunter2"),
        ("authorization: 12345", "12345"),
        ("userPassword: {SSHA}hunter2", "hunter2"),
        ("password={hunter2", "hunter2"),
    ],
)
def test_secret_is_cut_and_counted(text: str, secret: str) -> None:
    cut = cut_secrets(text)
    assert secret in text
    assert secret not in cut.text
    assert cut.count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "I1122 15:04:05.000000 1234 kubelet.go:2412] Node became ready",
        "https://0123.gr7.us-west-2.eks.amazonaws.com/api/v1/nodes?limit=500&resourceVersion=0",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "password authentication is off",
        'failed to mount secret="kube-system/regcred" of pod="kube-system/coredns-0"',
        "PWD=/root tokens=5 --token-file /var/run/token",
        "unexpected token in line 4",
        'password=""',
        '{"password": null, "secret": false}',
        "password: |",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        "secret: kube-system/regcred",
        "client-key: /var/lib/kubelet/pki/kubelet-client-current.pem",
        "private_key = '/etc/ssl/private/tls.key'",
        "tokenFile: /var/run/secrets/token --password-file /etc/x --token-file=/x",
        "pass: 12 tests",
        "pass: 12",
        "pass: all of them",
        "PASS: test-upload",
        "bypass=1 compass: north bypass-token-cache: 1",
        "token: none, password=<nil> secret: *****",
        "tokens: 5",
        '"tokens": [1, 2.5, null, true]',
        "cookie=0x2a, duration=5s",
        "docker run --user 1000:1000 -u 0:0",
        "http://proxy:3128/a@b http://u@proxy:3128/",
        "user-data: the settings could not be read",
        '"userData": "invalid"',
        "usage: login --token <token>\n",
        "secret:\n  secretName: regcred\n  optional: true\n",
        "imagePullSecrets:\n- name: regcred\nsecrets:\n- name: a\n",
        "  password: |\n  user: x\n",
        "invalid password:\n    at login (login.js:10)\n",
        "resources:\n- secrets\n- tokens\n",
        "- name: my-token\n  type: Opaque\n",
        '{"msg": "no password=", "next": "y", "token": ""}',
        '["--token ", "x", "--secret", "--verbose"]',
        "--auth-mode=webhook --authorization-mode=Node,RBAC --anonymous-auth=false",
        "--client-auth required --auth none x:y",
        "--auth https://issuer.example --auth=http://issuer.example:80 pre-auth host:22",
        "Xorg :0 -auth /run/lightdm/root/:0 -nolisten tcp",
        "--bypass x --compass north --multipass a --nopass client --askpass x bypass=x lowpass=20 highpass: 3",
        "nc -l -p 8080; mkdir -p x; ssh -p 22 host; cp -a a b",
        "mysql -uroot -p\nx",
        "mysql -p database",
        '["mysql","-p","database"] [mysql, -p, database]',
        'sh -c "mysql -p" && echo "x"; sh -c "mongo -p" && echo "x"',
        "mysql -P3306 -port=3306 --protocol=tcp",
        "mysql -password-file /etc/x",
        "mysql -port 3306",
        "mysql-server /usr/lib/mysql -plugin-dir=/x -plugin_load=x",
        "mysql -pid 5",
        "mysql -pidfile=/x -pid-file /x",
        "curl --anyauth host:443/x; curl --proxy-anyauth host:443",
        '["curl", "--anyauth", "host:443/x"]',
        "mysql --insecure-auth host:8080 --insecure_auth=host:8080",
        '{"cmd":"mongosh -u admin -p","exit":0} {"cmd":"use redis-cli -a, ","x":1}',
        "{command: sshpass -p, name: x}",
        "mysql.service -px mysql-0 -px",
        "docker run --name mysql -p3306:3306 mysql:8",
        "docker run --name mongo -p 27017:27017 mongo:4",
        "docker run --name mongo -p 127.0.0.1:27017:27017/tcp -p 27018-27020:27018-27020 mongo",
        "sshpass -e ssh -p 22 host",
        "sshpass -f /etc/x ssh -p 22 host",
        "kubectl logs mongo-0 -p; kubectl logs mongo -p | less",
        "mongo -u root -p --host x",
        "kubectl exec mongo -- mkdir -p /data/db",
        "redis-cli -h x -p 6379 ping && cp -a /x /y",
        "redis-cli ping | grep -a PONG",
        "login: -p x",
        "sudo: me : TTY=pts/0 ; PWD=/home/me ; USER=root ; COMMAND=/bin/ls",
        'sudo: me : PWD=unknown ; pwd=$(pwd) OLDPWD=/x pwd=. {"pwd":"/root"} pwd: command not found',
        "--service-account-key-file=/etc/kubernetes/sa.pem",
        "at db.tcp(db:3306) me@tcp(db:3306)/x",
        '{"authorization": {"mode": "Webhook"}, "Authorization": "", "x": {"authorization": null}}',
        '[{"authorization":[]},{"authorization":{}},{"authorization":true}] {"msg":"authorization:"}',
        'authorization = { mode = "x" }',
        "Authorization: Bearer <redacted>",
        'password: {b: c} [{"password":{}},{"a":2}] [{"password":true},[1,2]]',
        "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTIzNDU2Nzg5LCJzdGFydCI6ImRlZmF1bHQvY29yZWRuc1x1MDAwMCJ9",
        "//# sourceMappingURL=data:text/x;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEuanMiXSwibmFtZXMiOltdfQaaaa",
        "MIIByjCCAXGeyJhbGciOiJSUzI1NiJ9eyJhbGciOiJSUzI1NiJ9eyJhbGciOiJSUzI1NiJ9eyJhbGciOiJSUzI1NiJ9",
        "eyJzaG9ydCI6dHJ1ZX0=",
        "ctr run --user root:wheel x y; ctr tasks exec --user 0:0 x",
        "nerdctl run -u a:b x; docker exec -u root:root x y",
        "ctr images pull x && id --user root:x",
        "crictl pull --auth-file x; crictl --auth; crictl images",
        "nats --creds /etc/nats/me.creds --creds none",
        "aws_secret_access_key is missing; aws_session_token expired; the aws_secret_access_key, aws_session_token",
        '["aws_secret_access_key", "aws_session_token", 1234567890123456]',
        "aws configure set region us-west-2; aws configure set aws_secret_access_key",
        "the default login takes a password of eight; machine login failed, password incorrect",
        "password required\npassword 12345 times\npassword is h264\nFailed password for root from 10.0.0.1 port 22",
        "https%3A%2F%2Fb%3FX-Amz-Date%3D20261122T150000Z%26X-Amz-Expires%3D60",
    ],
)
def test_plain_text_is_left(text: str) -> None:
    assert cut_secrets(text).text == text
    assert cut_secrets(text).count == 0


def test_where_a_secret_was_can_be_seen() -> None:
    assert redact(SIGNED) == "https://s3.us-west-2.amazonaws.com/diagnostics/a%20b.tar.gz?<redacted>"


def test_what_follows_a_private_key_is_kept() -> None:
    assert redact(f"{KEY}\nafter") == "-----BEGIN EC PRIVATE KEY-----<redacted>-----END EC PRIVATE KEY-----\nafter"


def test_cutting_twice_changes_nothing() -> None:
    once = cut_secrets(
        f'{SIGNED}\n{KEY}\npassword: x\n"token": "a b"\n--secret x\nclient-key-data: LS0tLS1CRUdJTiBSU0Eg'
    )
    assert cut_secrets(once.text) == type(once)(once.text, 0)


@pytest.mark.parametrize(
    "value", ["hunter2", 'a "quoted" \\ word', "x, y} ]", 12345, -1.5e3, True, None, "", ["a"], {"b": "c"}]
)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_stays_json_and_yaml_yaml(value: object, indent: int | None) -> None:
    before = {"password": value, "auth": {"DB_TOKEN": value}, "after": [f"http://a:{value}@b", "x"], "nested": "{}"}
    text = json.dumps(before, indent=indent)
    after = json.loads(redact(text))
    assert after.keys() == before.keys()
    assert yaml.safe_load(redact(text)) == after
    if isinstance(value, str) and value:
        assert after["password"] == CUT
    inside = json.loads(redact(json.dumps({"message": text, "then": 1})))
    assert inside["then"] == 1


@pytest.mark.parametrize("word", ["password=", "token: [", "--token ", "secret: ", "pass=", "user-data = ", "Cookie: "])
def test_a_string_that_ends_with_a_name_ends_there(word: str) -> None:
    before = {"msg": word, "then": f"a {word}", "list": [word, word], "password": word, "last": word}
    after = json.loads(redact(json.dumps(before)))
    assert after == {**before, "password": CUT}
    inside = json.loads(redact(json.dumps({"message": json.dumps(before), "then": 1})))
    assert inside["then"] == 1


def test_lists_blocks_and_triple_quotes_keep_their_format() -> None:
    secrets = {"tokens": ["x", "y ] z"], "user": "me", "token": ["a"], "n": {"password": ["b", 5]}}
    for text in (json.dumps(secrets), json.dumps(secrets, indent=2)):
        assert json.loads(redact(text)) == {
            "tokens": [CUT, CUT],
            "user": "me",
            "token": [CUT],
            "n": {"password": [CUT, 5]},
        }
    for style in ("|", ">"):
        long = {"a": {"password": "x y\n\nz: w\n", "user": "me"}, "b": [{"token": "x" * 200}]}
        dumped = yaml.safe_dump(long, default_style=style, default_flow_style=False)
        after = yaml.safe_load(redact(dumped))
        assert after["a"]["user"] == "me"
        assert "z: w" not in after["a"]["password"]
    assert yaml.safe_load(redact("tokens: [x, 'y']\ntoken:\n- x\n- 'y: z'\nn: 1\n")) == {
        "tokens": [CUT, CUT],
        "token": [CUT, CUT],
        "n": 1,
    }
    table = tomllib.loads(
        redact(
            'password = """\nx\n"""\na = 1\nuser-data = \'\'\'\n"y"\'\'\'\nb = 2\n'
            'tokens = [\n  "x", # one ]\n  \'y\',\n]\nc = """z"""\n'
        )
    )
    assert table == {"password": CUT, "a": 1, "user-data": CUT, "b": 2, "tokens": [CUT, CUT], "c": "z"}


def test_yaml_and_toml_stay_what_they_were() -> None:
    flow = yaml.safe_load(redact("a: {password: hunter2, user: x}\nb: [--token, abc]\nc: &x {secret: 'a b'}\n"))
    assert flow["a"] == {"password": CUT, "user": "x"}
    assert flow["c"] == {"secret": CUT}
    table = tomllib.loads(redact('password = "hunter2"\ntoken = 5\n[auth]\nauth = "dXNlcjpw"\nsecret = \'x y\'\n'))
    assert table == {"password": CUT, "token": CUT, "auth": {"auth": CUT, "secret": CUT}}
