import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Has JDBC cancel queries of its own, by setQueryTimeout() and by cancel() from another thread, shows that the
 * connection lives on, and runs a query until it is killed. DATABASE_URL says where.
 */
final class JdbcClient {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(System.getenv("DATABASE_URL"));
                Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            runToTheCancel(statement, "timed out");
            statement.setQueryTimeout(0);

            Thread canceller = new Thread(() -> cancelSoon(statement));
            canceller.start();
            runToTheCancel(statement, "cancelled");
            canceller.join();

            ResultSet result = statement.executeQuery("SELECT 'alive'");
            result.next();
            System.out.println(result.getString(1));
            statement.execute("SELECT pg_sleep(600)");
        }
    }

    private static void runToTheCancel(Statement statement, String what) throws SQLException {
        try {
            statement.execute("SELECT pg_sleep(600)");
        } catch (SQLException error) {
            System.out.println(what + " " + error.getSQLState());
        }
    }

    private static void cancelSoon(Statement statement) {
        try {
            Thread.sleep(500);
            statement.cancel();
        } catch (SQLException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
