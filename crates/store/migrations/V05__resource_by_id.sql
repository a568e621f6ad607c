-- Whose a resource is, by its id alone: so that the attempt to open another person's record is journalled under its owner.
-- `owner` and `type` come along with the key of the table.
CREATE INDEX resource_by_id ON resource_current (id);
