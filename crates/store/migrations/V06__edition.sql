-- Which edition a version is, for the order of versions: `deposit` and `place` say where it came (the place grows through a
-- deposit), `updated_us` and `number` are what the resource says of itself (meta.lastUpdated, meta.versionId where a number).
ALTER TABLE resource_version ADD COLUMN deposit BLOB;
ALTER TABLE resource_version ADD COLUMN place INTEGER;
ALTER TABLE resource_version ADD COLUMN updated_us INTEGER;
ALTER TABLE resource_version ADD COLUMN number INTEGER;

-- Where a deposit brought a resource that was here already: so that the same deposit again is known, whatever came since.
CREATE TABLE resource_again (
    owner BLOB NOT NULL,
    type TEXT NOT NULL,
    id BLOB NOT NULL,
    deposit BLOB NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (owner, type, id, deposit)
) WITHOUT ROWID;
