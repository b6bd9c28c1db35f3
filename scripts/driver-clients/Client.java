import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;

/** Runs a statement with JDBC. */
final class Client {
    public static void main(String[] arguments) throws Exception {
        String way = arguments[0];
        Connection connection =
                DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + arguments[1] + "/postgres?user=postgres");
        Statement statement = connection.createStatement();
        statement.setQueryTimeout(way.startsWith("setQueryTimeout") ? 1 : 0);
        new Thread(() -> leave(connection, way)).start();
        try {
            statement.execute(arguments[2]);
        } catch (SQLException error) {
            System.err.println(error);
        }
        Thread.sleep(60_000);
    }

    private static void leave(Connection connection, String way) {
        try {
            System.in.read();
            if (way.startsWith("abort")) {
                connection.abort(Runnable::run);
            } else {
                connection.close();
            }
        } catch (Exception error) {
            System.err.println(error);
        }
    }
}
