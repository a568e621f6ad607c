-- Under which key the frame of a leaf of rows is sealed: when the key is destroyed, the places of its leaves are noted as those of
-- versions are. Disposable: the frames tell it.
CREATE TABLE rows_leaf (
    key BLOB NOT NULL CHECK (length(key) = 16),
    position INTEGER NOT NULL,
    PRIMARY KEY (key, position)
) WITHOUT ROWID;
