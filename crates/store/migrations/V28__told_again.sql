-- How often destinations were told of a case, when last, and of how much by then, beside how much there is now: records, people or
-- findings, whichever its rule counts.
ALTER TABLE watch_case ADD COLUMN amount INTEGER NOT NULL DEFAULT 1;
ALTER TABLE watch_case ADD COLUMN told_amount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watch_case ADD COLUMN told_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watch_case ADD COLUMN tellings INTEGER NOT NULL DEFAULT 0;
UPDATE watch_case SET amount = findings, told_amount = findings, told_us = opened_us, tellings = told = 1;
