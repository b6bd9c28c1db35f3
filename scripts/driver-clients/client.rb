# Runs a statement with ruby-pg.
require "pg"
require "timeout"

way, port, statement = ARGV
connection = PG.connect(host: "127.0.0.1", port: port, user: "postgres", dbname: "postgres")
Thread.new { $stdin.gets; connection.close } if way.start_with?("close")
begin
  Timeout.timeout(way.start_with?("Timeout") ? 1 : nil) { connection.exec(statement) }
rescue IOError, PG::Error, Timeout::Error => error
  warn error.message
end
sleep 60
