-- Where the resource stands that points to a document first: place of its file in the bag's list times 2^40, and line; unknown for
-- rows that an older program wrote. So that a receipt can name the lines where resources of several patients mean one file.
ALTER TABLE document ADD COLUMN source INTEGER;
