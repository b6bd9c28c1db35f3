// Runs a statement with lib/pq ("postgres") or pgx ("pgx"), both through database/sql.
package main

import (
	"context"
	"database/sql"
	"os"
	"time"

	_ "github.com/jackc/pgx/v4/stdlib"
	_ "github.com/lib/pq"
)

func main() {
	driver, port, statement := os.Args[1], os.Args[3], os.Args[4]
	database, err := sql.Open(driver, "postgres://postgres@127.0.0.1:"+port+"/postgres?sslmode=disable")
	if err != nil {
		panic(err)
	}
	query, cancel := context.WithCancel(context.Background())
	go func() {
		os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	_, err = database.ExecContext(query, statement)
	println(err.Error())
	time.Sleep(time.Minute)
}
