"""PostgreSQL, proven: a real server refuses, the first artifact mends it, and what lies beside stays refused.

Each case runs twice: with the error as SQLAlchemy raises it, and with the lines of the server's log.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from postgres_server import PostgresServer
from remedy import remedies
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

_ROLES = ("shop_owner", "analyst", "reporting", "intern")
_SHOP = """
CREATE SCHEMA shop AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA shop TO analyst, reporting, intern;
SET ROLE shop_owner;
CREATE TABLE shop.orders (id int PRIMARY KEY, note text, owner_name text DEFAULT current_user);
CREATE TABLE shop.customers (id int PRIMARY KEY, name text);
CREATE TABLE shop.tickets (id serial PRIMARY KEY, note text);
INSERT INTO shop.orders VALUES (1, 'one', 'reporting');
"""

_EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname IN ('shop', 'Shop', 'audit', 'mine')
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
  FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('shop_owner', 'analyst', 'reporting', 'intern', 'helper')
    LOOP EXECUTE format('DROP OWNED BY %I CASCADE', name); EXECUTE format('DROP ROLE %I', name); END LOOP;
  PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END $$;
DROP EXTENSION IF EXISTS postgres_fdw CASCADE;
DROP EXTENSION IF EXISTS file_fdw CASCADE;
GRANT TEMPORARY, CONNECT ON DATABASE postgres TO PUBLIC;
GRANT CONNECT ON DATABASE payroll TO PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC;
"""


@dataclass(frozen=True)
class Case:
    """`denied` is what reporting may not do; `still` what it may not do afterwards either.

    `attempts`: how many refusals stand in a row. `artifacts`: how many of one answer are needed. `done`: the admin did
    it, and this shows it. `others`: what another role tries instead. `shared`: the change is meant for everybody.
    """

    name: str
    made: str
    denied: str
    still: tuple[str, ...]
    known: dict[str, str] = field(default_factory=dict)
    attempts: int = 1
    search_path: str = "public"
    artifacts: int = 1
    shared: bool = False
    database: str = "postgres"
    done: str = ""
    others: str = ""


SELECT, INSERT = "SELECT * FROM shop.orders", "INSERT INTO shop.orders VALUES (2, 'two')"
UPDATE, DELETE = "UPDATE shop.orders SET note = 'x'", "DELETE FROM shop.orders"
OTHER_TABLE = "SELECT * FROM shop.customers"
CASES = [
    Case("reads a table", "", SELECT, (INSERT, UPDATE, DELETE, OTHER_TABLE)),
    Case("inserts", "", INSERT, (SELECT, UPDATE, DELETE, "INSERT INTO shop.customers VALUES (1)")),
    Case("updates", "", UPDATE, (SELECT, INSERT, DELETE)),
    Case(
        "updates by a condition, which reads too",
        "",
        "UPDATE shop.orders SET note = 'x' WHERE id = 1",
        (INSERT, DELETE, OTHER_TABLE),
        artifacts=2,
    ),
    Case(
        "deletes what it can see",
        "GRANT SELECT ON shop.orders TO reporting",
        DELETE + " WHERE id = 1",
        (INSERT, UPDATE),
    ),
    Case("truncates", "", "TRUNCATE shop.orders", (SELECT, DELETE, "TRUNCATE shop.customers")),
    Case("copies out", "", "COPY shop.orders TO STDOUT", (INSERT, OTHER_TABLE), search_path="shop"),
    Case(
        "copies in",
        "",
        "COPY shop.orders (id) FROM STDIN",
        (SELECT, UPDATE),
        {"PRIVILEGE": "INSERT"},
        search_path="shop",
    ),
    Case("locks a row", "GRANT SELECT ON shop.orders TO reporting", SELECT + " FOR UPDATE", (INSERT, DELETE)),
    Case(
        "locks a table to dump it",
        "",
        "BEGIN; LOCK TABLE shop.orders IN ACCESS SHARE MODE; COMMIT",
        (INSERT, OTHER_TABLE),
    ),
    Case(
        "copies between tables and may not read the source",
        "GRANT INSERT ON shop.orders TO reporting",
        "INSERT INTO shop.orders SELECT id, name FROM shop.customers",
        (SELECT, "INSERT INTO shop.customers VALUES (7)"),
    ),
    Case(
        "joins a second table",
        "GRANT SELECT ON shop.orders TO reporting",
        "SELECT o.id FROM shop.orders o JOIN shop.customers c ON c.id = o.id",
        (INSERT, "SELECT * FROM shop.tickets", "DELETE FROM shop.customers"),
    ),
    Case(
        "points a foreign key at a table",
        "GRANT CREATE ON SCHEMA shop TO reporting",
        "CREATE TABLE shop.lines (order_id int REFERENCES shop.orders (id))",
        (SELECT, INSERT, "CREATE TABLE shop.l2 (c int REFERENCES shop.customers (id))"),
    ),
    Case(
        "hangs a trigger on a table",
        "CREATE FUNCTION shop.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER mark BEFORE INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.noop()",
        (SELECT, INSERT),
    ),
    Case(
        "reads by a column only",
        "GRANT SELECT (id) ON shop.orders TO reporting",
        "SELECT note FROM shop.orders",
        (INSERT, UPDATE, OTHER_TABLE),
    ),
    Case(
        "reads a view",
        "CREATE VIEW shop.daily AS SELECT * FROM shop.orders",
        "SELECT * FROM shop.daily",
        (SELECT, OTHER_TABLE),
    ),
    Case(
        "reads a view whose owner may not",
        "CREATE VIEW shop.daily AS SELECT * FROM shop.orders; RESET ROLE; ALTER VIEW shop.daily OWNER TO analyst;"
        "GRANT SELECT ON shop.daily TO reporting",
        "SELECT * FROM shop.daily",
        (SELECT, OTHER_TABLE),
        {"OWNER_ROLE": "analyst", "SCHEMA_NAME": "shop"},
    ),
    Case(
        "fires a trigger that writes elsewhere",
        """CREATE TABLE shop.audit (id int);
        CREATE FUNCTION shop.log() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO shop.audit VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER log BEFORE INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.log();
        GRANT INSERT ON shop.orders TO reporting""",
        INSERT,
        (SELECT, "SELECT * FROM shop.audit", "INSERT INTO shop.customers VALUES (1)"),
    ),
    Case(
        "reads in a schema that it cannot enter",
        "RESET ROLE; CREATE SCHEMA audit; CREATE TABLE audit.events (id int); CREATE TABLE audit.other (id int)",
        "SELECT * FROM audit.events",
        ("SELECT * FROM audit.other", "INSERT INTO audit.events VALUES (1)", "CREATE TABLE audit.mine (id int)"),
        attempts=2,
    ),
    Case("creates in a schema", "", "CREATE TABLE shop.mine (id int)", (SELECT, "CREATE SCHEMA mine")),
    Case(
        "draws a serial number",
        "GRANT INSERT ON shop.tickets TO reporting",
        "INSERT INTO shop.tickets (note) VALUES ('a')",
        ("SELECT setval('shop.tickets_id_seq', 40)", "SELECT * FROM shop.tickets"),
    ),
    Case(
        "inserts into a table with a serial column",
        "",
        "INSERT INTO shop.tickets (note) VALUES ('a')",
        ("SELECT setval('shop.tickets_id_seq', 40)", "SELECT * FROM shop.tickets"),
        {"SEQUENCE_NAME": "tickets_id_seq"},
        artifacts=2,
    ),
    Case("sets a sequence", "", "SELECT setval('shop.tickets_id_seq', 40)", ("SELECT * FROM shop.tickets_id_seq",)),
    Case(
        "calls a function",
        "CREATE FUNCTION shop.close_day(day int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION shop.close_year() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shop FROM PUBLIC",
        "SELECT shop.close_day(3)",
        ("SELECT shop.close_year()",),
    ),
    Case(
        "calls a procedure",
        "CREATE PROCEDURE shop.tidy() LANGUAGE sql AS 'SELECT 1';REVOKE EXECUTE ON PROCEDURE shop.tidy() FROM PUBLIC",
        "CALL shop.tidy()",
        (SELECT,),
    ),
    Case(
        "uses a type",
        "CREATE TYPE shop.mood AS ENUM ('good'); REVOKE USAGE ON TYPE shop.mood FROM PUBLIC;"
        "GRANT CREATE ON SCHEMA shop TO reporting",
        "CREATE TABLE shop.feelings (felt shop.mood)",
        (SELECT,),
    ),
    Case(
        "writes a function in a language",
        "GRANT CREATE ON SCHEMA shop TO reporting; RESET ROLE; REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
        "CREATE FUNCTION shop.mine() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        ("CREATE FUNCTION shop.bad() RETURNS int LANGUAGE internal AS 'int4in'",),
    ),
    Case("makes a schema in a database", "", "CREATE SCHEMA mine", ("CREATE DATABASE mine", SELECT)),
    Case(
        "makes a temporary table",
        "RESET ROLE; REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        "CREATE TEMPORARY TABLE scratch (id int)",
        ("CREATE SCHEMA mine",),
    ),
    Case(
        "connects to a database",
        "RESET ROLE; REVOKE CONNECT ON DATABASE payroll FROM PUBLIC",
        "SELECT 1",
        ("CREATE SCHEMA mine",),
        database="payroll",
    ),
    Case(
        "uses a foreign server",
        "RESET ROLE; CREATE EXTENSION postgres_fdw; CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw;"
        "CREATE SERVER vault FOREIGN DATA WRAPPER postgres_fdw; GRANT CREATE ON SCHEMA shop TO reporting",
        "CREATE FOREIGN TABLE shop.remote (id int) SERVER archive",
        (
            "CREATE FOREIGN TABLE shop.remote2 (id int) SERVER vault",
            "CREATE SERVER s3 FOREIGN DATA WRAPPER postgres_fdw",
        ),
    ),
    Case(
        "defines a foreign server",
        "RESET ROLE; CREATE EXTENSION postgres_fdw",
        "CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw",
        (SELECT,),
        others="CREATE SERVER theirs FOREIGN DATA WRAPPER postgres_fdw",
    ),
    Case(
        "reads a large object",
        "SELECT lo_from_bytea(90001, 'a')",
        "SELECT lo_get(90001)",
        ("SELECT lo_put(90001, 0, 'b')",),
    ),
    Case(
        "writes a large object",
        "SELECT lo_from_bytea(90001, 'a')",
        "SELECT lo_put(90001, 0, 'b')",
        ("SELECT lo_unlink(90001)",),
    ),
    Case(
        "acts as another role",
        "",
        "SET ROLE analyst",
        ("SET ROLE shop_owner", SELECT),
    ),
    Case(
        "gives an object to another role",
        "GRANT CREATE ON SCHEMA shop TO reporting, analyst; RESET ROLE;"
        "CREATE TABLE shop.mine (id int); ALTER TABLE shop.mine OWNER TO reporting",
        "ALTER TABLE shop.mine OWNER TO analyst",
        ("ALTER TABLE shop.orders OWNER TO analyst", "SET ROLE shop_owner"),
    ),
    Case(
        "writes a row that no policy accepts",
        "ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; GRANT INSERT ON shop.orders TO reporting, intern",
        "INSERT INTO shop.orders VALUES (5, 'mine', 'reporting')",
        ("INSERT INTO shop.orders VALUES (6, 'not mine', 'intern')", SELECT),
        {
            "POLICY_NAME": "own_rows",
            "OWNER_COLUMN": "owner_name",
            "CURRENT_USER_ID": "current_user",
        },
    ),
    Case(
        "updates a row into one that no policy accepts",
        """ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; GRANT SELECT, UPDATE ON shop.orders TO reporting;
        CREATE POLICY see ON shop.orders USING (true) WITH CHECK (false)""",
        "UPDATE shop.orders SET note = 'y' WHERE id = 1",
        ("UPDATE shop.orders SET owner_name = 'intern' WHERE id = 1", INSERT),
        {"POLICY_NAME": "own_rows", "OWNER_COLUMN": "owner_name", "CURRENT_USER_ID": "current_user"},
    ),
    Case(
        "reads a table of mixed case with a blank",
        'CREATE TABLE shop."Order Lines" (id int); CREATE TABLE shop."order lines" (id int)',
        'SELECT * FROM shop."Order Lines"',
        ('SELECT * FROM shop."order lines"', 'DELETE FROM shop."Order Lines"'),
    ),
    Case(
        "reads a table with a quote in its name",
        'CREATE TABLE shop."we""ird" (id int)',
        'SELECT * FROM shop."we""ird"',
        ('DELETE FROM shop."we""ird"',),
    ),
    Case(
        "reads a table in a schema of mixed case",
        'CREATE TABLE shop."Lines" (id int); RESET ROLE; ALTER SCHEMA shop RENAME TO "Shop"',
        'SELECT * FROM "Shop"."Lines"',
        ('SELECT * FROM "Shop".customers',),
    ),
    Case(
        "sets a reserved parameter",
        "",
        "SET log_statement = 'all'",
        ("SET log_duration = on", "ALTER SYSTEM SET log_statement = 'all'"),
    ),
    Case("asks for a checkpoint", "", "CHECKPOINT", ("SELECT pg_read_file('/etc/hostname')", "CREATE ROLE x")),
    Case(
        "logs in with a role that may not",
        "RESET ROLE; ALTER ROLE reporting NOLOGIN; ALTER ROLE intern NOLOGIN",
        "SELECT 1",
        (SELECT,),
    ),
    Case("makes a database", "", "CREATE DATABASE mine", ("CREATE ROLE x", SELECT)),
    Case("makes a role", "", "CREATE ROLE helper", ("CREATE DATABASE mine", "ALTER ROLE reporting SUPERUSER", SELECT)),
    Case(
        "installs an extension",
        "",
        "CREATE EXTENSION IF NOT EXISTS file_fdw",
        ("CREATE EXTENSION IF NOT EXISTS postgres_fdw", "CREATE DATABASE mine"),
        shared=True,
    ),
    Case(
        "alters a table of another owner",
        "",
        "ALTER TABLE shop.orders ADD COLUMN total int",
        ("DROP TABLE shop.orders", SELECT, "DROP TABLE shop.customers", "SET ROLE shop_owner"),
        {"OWNER_ROLE": "shop_owner", "FAILED_STATEMENT": "ALTER TABLE shop.orders ADD COLUMN total int"},
        done="SELECT total FROM shop.orders",
    ),
]


class Lab:
    """One private server and the roles of a small shop, made anew for each test."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.admin = psycopg.connect(server.url(), autocommit=True)
        self.admin.execute("ALTER SYSTEM SET log_line_prefix = '%m [%p] %q%u@%d '")
        self.admin.execute("SELECT pg_reload_conf()")
        self.admin.execute("CREATE DATABASE payroll")

    def close(self) -> None:
        self.admin.close()

    def prepare(self, made: str) -> None:
        """The shop, and what the case adds as its owner."""
        self.admin.execute("RESET ROLE")
        self.admin.execute("DROP DATABASE IF EXISTS mine")
        self.admin.execute(_EMPTY)
        self.admin.execute("".join(f"CREATE ROLE {role} LOGIN;" for role in _ROLES) + _SHOP + made)
        self.admin.execute("RESET ROLE")

    def run(self, role: str, sql: str, database: str) -> None:
        """As SQLAlchemy does it for an application; what COPY streams goes through the driver itself."""
        url = self._server.url(database).replace("postgres@", f"{role}@")
        if sql.endswith(("STDIN", "STDOUT")):
            with psycopg.connect(url) as connection, connection.cursor().copy(sql) as stream:
                if sql.endswith("STDOUT"):
                    list(stream)
            return
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(sql)

    def refusal(self, role: str, sql: str, database: str = "postgres") -> dict[str, str]:
        """What the client and the server's log say about a statement that is refused for lack of a right."""
        before = len(self._server.read_log())
        with pytest.raises((DBAPIError, psycopg.Error)) as caught:
            self.run(role, sql, database)
        log = self._server.read_log()[before:]
        assert re.search("denied|must |row-level security|not permitted", log), (
            f"{sql} failed for another reason: {log}"
        )
        return {"client": f"{type(caught.value).__name__}: {caught.value}", "server": log}


@pytest.fixture(scope="module")
def lab(postgres_server: PostgresServer) -> Iterator[Lab]:
    lab = Lab(postgres_server)
    yield lab
    lab.close()


@pytest.mark.parametrize("carrier", ["client", "server"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_artifact_mends_it_and_nothing_else(lab: Lab, case: Case, carrier: str) -> None:
    lab.prepare(case.made)
    for _ in range(case.attempts):
        text = lab.refusal("reporting", case.denied, case.database)[carrier]
        known = {"ROLE_NAME": "reporting", "PRIVILEGE": "SELECT", **case.known}
        found = remedies(text, known)
        assert found, text
        lab.admin.execute(f"SET search_path = {case.search_path}")
        lab.admin.execute("".join(found[: case.artifacts]))
    if case.done:
        lab.admin.execute(case.done)
    else:
        lab.run("reporting", case.denied, case.database)
    for sql in case.still:
        lab.refusal("reporting", sql)
    if not case.shared:
        lab.refusal("intern", case.others or case.denied, case.database)
