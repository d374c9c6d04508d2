-- Wrong attempts in thirty days, which right ones do not take back: who guesses between the logins of a
-- person is seen by that.
ALTER TABLE attempts ADD COLUMN month_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN month_fails INTEGER NOT NULL DEFAULT 0 CHECK (month_fails >= 0);
