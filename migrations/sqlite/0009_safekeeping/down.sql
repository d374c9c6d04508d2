DROP TABLE safekeeping;
