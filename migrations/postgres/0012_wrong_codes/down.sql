ALTER TABLE attempts DROP COLUMN month_fails;
ALTER TABLE attempts DROP COLUMN month_start;
