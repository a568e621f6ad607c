-- Under which key a document is sealed, as the frames of its chunks say: so that what an erasure of one group or class takes is
-- found by its key, in the transaction that takes it. Unknown for rows of older programs, until an erasure reads their frames.
ALTER TABLE object ADD COLUMN key BLOB;
CREATE INDEX object_by_key ON object (key);

-- When an approval ceased to count, since its account ceased to hold the role that it approved in.
ALTER TABLE shred_approval ADD COLUMN ended_us INTEGER;
