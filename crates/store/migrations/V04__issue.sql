-- Documents that were issued. The statements that use this table stand in crates/archive/src/tables.rs. Times are
-- microseconds since 1970. Nothing here is clinical: neither the document nor what it was made from.

-- Lasting: so that the verify page can say when a number was issued, and whether a file is the one.
CREATE TABLE issued (
    number    TEXT NOT NULL PRIMARY KEY,
    account   BLOB NOT NULL CHECK (length(account) = 16),
    issued_us INTEGER NOT NULL,
    pages     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    content   BLOB NOT NULL CHECK (length(content) = 32),
    position  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issued_by_account ON issued (account, issued_us);
