"""MariaDB, proven: a real server refuses, the first artifact mends it, and what lies beside stays refused.

Each refusal is read twice, as SQLAlchemy raises it over PyMySQL and as the command-line client prints it.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pymysql
import pytest
from private_server import find_program, free_port, running
from remedy import remedies
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

_SHOP = """
CREATE DATABASE shop;
CREATE TABLE shop.orders (id int PRIMARY KEY, note text);
CREATE TABLE shop.customers (id int PRIMARY KEY, name text);
INSERT INTO shop.orders VALUES (1, 'one');
CREATE USER reporting@localhost IDENTIFIED BY 'r'; CREATE USER intern@localhost IDENTIFIED BY 'i';
CREATE USER anywhere@'%' IDENTIFIED BY 'a'; CREATE USER viewer@localhost ACCOUNT LOCK;
CREATE DATABASE lobby; CREATE TABLE lobby.t (id int);
GRANT SELECT ON lobby.t TO reporting@localhost; GRANT SELECT ON lobby.t TO intern@localhost;
"""


@dataclass(frozen=True)
class Case:
    """`denied` is what `user` may not do; `still` what he may not do afterwards either."""

    name: str
    made: str
    denied: str
    still: tuple[str, ...]
    known: dict[str, str] = field(default_factory=dict)
    artifacts: int = 1
    user: str = "reporting"


SELECT, INSERT = "SELECT * FROM shop.orders", "INSERT INTO shop.orders VALUES (2, 'two')"
UPDATE, DELETE = "UPDATE shop.orders SET note = 'x'", "DELETE FROM shop.orders"
OTHER_TABLE = "SELECT * FROM shop.customers"
KEEPS = "GRANT SELECT ON shop.orders TO reporting@localhost"
CASES = [
    Case("reads a table", "", SELECT, (INSERT, UPDATE, OTHER_TABLE)),
    Case(
        "reads a table as an account of any host",
        "",
        SELECT,
        (INSERT, OTHER_TABLE),
        {"ACCOUNT_HOST": "%"},
        user="anywhere",
    ),
    Case("inserts", KEEPS, INSERT, (UPDATE, "INSERT INTO shop.customers VALUES (1, '')")),
    Case("updates", KEEPS, UPDATE, (INSERT, DELETE)),
    Case("deletes", KEEPS, DELETE, (INSERT, UPDATE, "DROP TABLE shop.orders")),
    Case("truncates, which is DROP", KEEPS, "TRUNCATE shop.orders", (DELETE, "DROP TABLE shop.customers")),
    Case(
        "alters a table",
        KEEPS,
        "ALTER TABLE shop.orders COMMENT 'x'",
        (DELETE, "ALTER TABLE shop.customers COMMENT 'x'"),
    ),
    Case("makes a table", KEEPS, "CREATE TABLE shop.mine (id int)", ("CREATE TABLE shop.yours (id int)", INSERT)),
    Case(
        "makes an index",
        KEEPS,
        "CREATE INDEX by_note ON shop.orders (note(9))",
        ("CREATE INDEX by_name ON shop.customers (name(9))", INSERT),
    ),
    Case(
        "points a foreign key at a table",
        "CREATE TABLE shop.mine (id int); GRANT ALTER, CREATE, INDEX ON shop.mine TO reporting@localhost",
        "ALTER TABLE shop.mine ADD FOREIGN KEY (id) REFERENCES shop.orders (id)",
        ("ALTER TABLE shop.mine ADD FOREIGN KEY (id) REFERENCES shop.customers (id)", SELECT),
    ),
    Case(
        "reads a column",
        "GRANT SELECT (id) ON shop.orders TO reporting@localhost",
        "SELECT note FROM shop.orders",
        (INSERT, OTHER_TABLE),
        {"DATABASE_NAME": "shop"},
    ),
    Case(
        "reads a table with a quote in its name",
        "CREATE TABLE shop.`we``ird` (id int)",
        "SELECT * FROM shop.`we``ird`",
        (SELECT,),
    ),
    Case(
        "reads a table with a blank in its name",
        "CREATE TABLE shop.`price list` (id int)",
        "SELECT * FROM shop.`price list`",
        (SELECT,),
    ),
    Case(
        "reads a view",
        "CREATE VIEW shop.daily AS SELECT * FROM shop.orders",
        "SELECT * FROM shop.daily",
        (SELECT, OTHER_TABLE),
    ),
    Case(
        "reads a view whose definer may not",
        "CREATE DEFINER = viewer@localhost VIEW shop.daily AS SELECT * FROM shop.orders;"
        "GRANT SELECT ON shop.daily TO reporting@localhost",
        "SELECT * FROM shop.daily",
        (SELECT, OTHER_TABLE),
        {"DATABASE_NAME": "shop", "TABLE_NAME": "orders", "DEFINER_USER": "viewer", "DEFINER_HOST": "localhost"},
    ),
    Case(
        "makes a view",
        KEEPS,
        "CREATE VIEW shop.daily AS SELECT * FROM shop.orders",
        ("CREATE VIEW lobby.daily AS SELECT * FROM shop.orders", "CREATE TABLE shop.mine (id int)", INSERT),
    ),
    Case(
        "hangs a trigger on a table",
        KEEPS,
        "CREATE TRIGGER shop.mark BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.note = 'x'",
        (INSERT, "CREATE TRIGGER shop.m2 BEFORE INSERT ON shop.customers FOR EACH ROW SET NEW.name = 'x'"),
    ),
    Case(
        "calls a procedure",
        "CREATE PROCEDURE shop.close_day() SELECT 1; CREATE PROCEDURE shop.close_year() SELECT 1",
        "CALL shop.close_day()",
        ("CALL shop.close_year()", SELECT),
    ),
    Case(
        "calls a function",
        "CREATE FUNCTION shop.rate() RETURNS int DETERMINISTIC RETURN 1;"
        "CREATE FUNCTION shop.tax() RETURNS int DETERMINISTIC RETURN 1",
        "SELECT shop.rate()",
        ("SELECT shop.tax()", SELECT),
    ),
    Case(
        "drops a procedure",
        "CREATE PROCEDURE shop.close_day() SELECT 1; CREATE PROCEDURE shop.close_year() SELECT 1",
        "ALTER PROCEDURE shop.close_day COMMENT 'x'",
        ("DROP PROCEDURE shop.close_year", SELECT),
    ),
    Case(
        "makes a procedure", KEEPS, "CREATE PROCEDURE shop.mine() SELECT 1", ("CREATE TABLE shop.mine (id int)", INSERT)
    ),
    Case("makes an event", KEEPS, "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY DO SELECT 1", (INSERT,)),
    Case("locks a table", KEEPS, "LOCK TABLES shop.orders READ", (INSERT, OTHER_TABLE)),
    Case(
        "makes a temporary table",
        KEEPS,
        "CREATE TEMPORARY TABLE shop.scratch (id int)",
        (INSERT, "CREATE TABLE shop.scratch (id int)"),
    ),
    Case("makes a database", "", "CREATE DATABASE IF NOT EXISTS ci_7", ("CREATE DATABASE ci_8", "DROP DATABASE ci_7")),
    Case("uses a database", "", "USE shop", (INSERT, "USE mysql"), {"PRIVILEGE": "SELECT"}),
    Case("sees what the server does", "", "SHOW ENGINE INNODB STATUS", ("FLUSH TABLES", "CREATE USER x", SELECT)),
    Case("flushes", "", "FLUSH STATUS", ("SHOW ENGINE INNODB STATUS", "SHUTDOWN", SELECT)),
    Case(
        "watches the binary log", "", "SHOW MASTER STATUS", ("FLUSH TABLES", "SET GLOBAL max_connections = 90", SELECT)
    ),
    Case(
        "sets a variable of the server",
        "",
        "SET GLOBAL max_connections = 90",
        ("FLUSH TABLES", "CREATE USER x", SELECT),
    ),
    Case("hides a session from the binary log", "", "SET SESSION sql_log_bin = 0", ("FLUSH TABLES", SELECT)),
]


class Lab:
    """One private server and the accounts of a small shop, made anew for each test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.admin = self.connect("root", "")

    def connect(self, user: str, password: str) -> pymysql.Connection:
        flags = pymysql.constants.CLIENT.MULTI_STATEMENTS
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, client_flag=flags, autocommit=True
        )

    def execute(self, sql: str) -> None:
        with self.admin.cursor() as cursor:
            cursor.execute(sql)
            while cursor.nextset():
                pass

    def prepare(self, made: str) -> None:
        accounts = "reporting@localhost, intern@localhost, anywhere@'%', viewer@localhost, helper"
        databases = "".join(f"DROP DATABASE IF EXISTS {name};" for name in ("shop", "lobby", "ci_7"))
        self.execute(f"{databases} DROP USER IF EXISTS {accounts}; SET GLOBAL max_connections = 80; {_SHOP} {made}")

    def refusal(self, user: str, sql: str, carrier: str = "driver") -> str | None:
        """What the driver or the command-line client says; nothing where the statement works."""
        if carrier == "command line":
            arguments = [f"-u{user}", f"-p{user[0]}", "-h127.0.0.1", f"-P{self.port}", "-vv", "-e", sql]
            done = subprocess.run(
                [find_program("mariadb"), "--no-defaults", *arguments], capture_output=True, text=True, check=False
            )
            return done.stdout + done.stderr if done.returncode else None
        url = f"mysql+pymysql://{user}:{user[0]}@127.0.0.1:{self.port}/"
        try:
            with create_engine(url, poolclass=NullPool).connect() as connection:
                connection.exec_driver_sql(sql)
        except DBAPIError as error:
            return f"{type(error).__name__}: {error}"
        return None


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("mariadb")
    port = free_port()
    make = [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db"]
    subprocess.run([*make, "--auth-root-authentication-method=normal"], cwd=folder, capture_output=True, check=True)
    command = [
        find_program("mariadbd"),
        "--no-defaults",
        "--user=root",
        f"--datadir={folder / 'data'}",
        f"--port={port}",
    ]
    options = [
        "--bind-address=127.0.0.1",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        "--log-bin=changes",
        "--log-bin-trust-function-creators=1",
    ]
    with running(
        [
            *command,
            *options,
            "--sync-binlog=0",
            "--innodb-flush-method=nosync",
            "--debug-no-sync",
            "--innodb-fast-shutdown=2",
        ],
        folder / "log",
        port=port,
    ):
        lab = Lab(port)
        yield lab
        lab.admin.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(mariadb: Lab, case: Case) -> None:
    mariadb.prepare(case.made)
    texts = [mariadb.refusal(case.user, case.denied, carrier) for carrier in ("driver", "command line")]
    known = {"USER_NAME": case.user, "ACCOUNT_HOST": "localhost", "DATABASE_NAME": "shop", **case.known}
    found, same = (remedies(text or "", known) for text in texts)
    assert found == same, texts
    for artifact in found[: case.artifacts]:
        mariadb.execute(artifact)
    assert mariadb.refusal(case.user, case.denied) is None, texts
    for sql in case.still:
        assert "denied" in (mariadb.refusal(case.user, sql) or ""), f"{sql} works now, or fails otherwise"
    assert "denied" in (mariadb.refusal("intern", case.denied) or "")


@pytest.mark.parametrize("sql", ["CREATE USER helper", "SELECT 1 FROM shop.orders INTO OUTFILE '/dev/null'"])
def test_what_amounts_to_administering_the_server_is_not_granted(mariadb: Lab, sql: str) -> None:
    mariadb.prepare(KEEPS)
    text = mariadb.refusal("reporting", sql)
    assert text
    assert remedies(text) == []
