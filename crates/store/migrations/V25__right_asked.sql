-- Lasting: rights that one administrator asked for somebody and no second one has confirmed. They give nothing until then: who can
-- make accounts with rights alone is every pair of people by themselves.
CREATE TABLE right_asked (
    account     BLOB NOT NULL CHECK (length(account) = 16),
    role        TEXT NOT NULL,
    institution TEXT NOT NULL,
    asked_by    BLOB NOT NULL CHECK (length(asked_by) = 16),
    asked_us    INTEGER NOT NULL,
    PRIMARY KEY (account, role, institution)
) STRICT, WITHOUT ROWID;
-- Who asked that a colleague's passkeys are reset, and so is neither of the two who approve it.
ALTER TABLE recovery ADD COLUMN asked_by BLOB;
