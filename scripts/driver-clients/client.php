<?php
// Runs a statement with PHP's pgsql.
[, $way, $port, $statement] = $argv;
pg_query(pg_connect("host=127.0.0.1 port=$port user=postgres"), $statement);
sleep(60);
