DROP TABLE kept_time;
