# Runs a statement with DBD::Pg; SIGALRM ends the wait for it in the way that the manual of DBI shows for time-outs.
use strict;
use warnings;
use DBI;
use POSIX ':signal_h';

my ($way, $port, $statement) = @ARGV;
my $database = DBI->connect("dbi:Pg:host=127.0.0.1;port=$port;dbname=postgres", 'postgres', '', {RaiseError => 1});
sigaction(SIGALRM, POSIX::SigAction->new(sub { die "late\n" }));
eval { $database->do($statement) };
warn $@;
sleep 60;
