-- Which administrator was shown the link of an invitation, and so could take it up; nobody where the command line made it. The link
-- ends with the account of who was shown it.
ALTER TABLE staff_invitation ADD COLUMN shown_to BLOB;
-- Who was shown the link by which a member of staff came, and so is not the one who says that the right person did.
ALTER TABLE staff ADD COLUMN shown_to BLOB;
