"""A nightly's history as another program would change it, sealed again."""
import hashlib
import sqlite3
import struct


def rows_sha256(history):
    """As docs/nightly.md says: every value with its type and length, in the order of the tables' keys."""
    digest = hashlib.sha256()
    for sql in ("SELECT * FROM nights ORDER BY id", "SELECT * FROM figures ORDER BY night, name"):
        digest.update(sql.encode())
        for row in history.execute(sql):
            for value in row:
                kind = 1 if isinstance(value, int) else 2 if isinstance(value, float) else 3
                text = struct.pack(">d", value).hex() if kind == 2 else str(value)
                digest.update(f"{kind}:{len(text.encode())}:{text}".encode())
    return digest.hexdigest()


def change(folder, sql, *values):
    with sqlite3.connect(folder / "history.sqlite") as history:
        history.execute(sql, values)
        history.execute("UPDATE sealed SET sha256 = ?", (rows_sha256(history),))
    history.close()
