// The generator of the manual page pgleash.conf(5), in the mdoc(7) language, from the table of settings; `make
// reference` updates the file. pgleash(1) is written by hand.

extension Configuration {
    /// man/pgleash.conf.5.
    package static var manualPage: String {
        heading
            + bySection.map { name, settings in
                ".Ss [\(name)]\n.Bl -tag -width Ds\n" + settings.map(\.manualEntry).joined() + ".El\n"
            }.joined() + ending
    }

    private static let heading: String = #"""
        .\" Written by `make reference` from Sources/Settings/Table.
        .Dd November 30, 2026
        .Dt PGLEASH.CONF 5
        .Os pgleash
        .Sh NAME
        .Nm pgleash.conf
        .Nd configuration file of pgleash
        .Sh DESCRIPTION
        .Xr pgleash 1
        reads its configuration from
        .Pa /etc/pgleash/pgleash.conf ,
        or from the file that
        .Fl \-config
        names.
        The file has the form of libpq's service file: sections in brackets, and in each of them lines of the form
        .Dl key = value
        .Pp
        Values stand without quotes.
        A comment begins with
        .Ql #
        and has a line of its own.
        Several values are separated by commas.
        Of a key that stands twice the last line counts.
        .Pp
        Times take a unit of
        .Pa postgresql.conf :
        us, ms, s, min, h or d.
        Without a unit they are seconds, except
        .Cm tcp_user_timeout
        (milliseconds).
        Sizes need one of B, kB, MB, GB and TB.
        .Pp
        Each key is also an environment variable.
        Keys of
        .Cm [pgleash]
        need no section:
        .Ev PGLEASH_LOG_LEVEL
        is the same as
        .Ev PGLEASH_PGLEASH_LOG_LEVEL .
        Command-line options override environment variables, these override the file,
        and the file overrides the defaults.
        .Pp
        A change takes effect at a restart.
        Where SIGHUP is named,
        .Xr pgleash 1
        also reads the file again that the key names, for the connections to come.
        .Sh SETTINGS

        """#

    private static let ending: String = #"""
        .Sh FILES
        .Bl -tag -width Ds
        .It Pa /etc/pgleash/pgleash.conf
        The default configuration file.
        .El
        .Sh EXAMPLES
        A server that is verified, and a job that is never cancelled:
        .Bd -literal -offset indent
        [listen]
        host = 127.0.0.1
        port = 6432

        [server]
        host = db.example.com
        sslmode = verify-full
        sslrootcert = /etc/pgleash/root.crt

        [cancel]
        exclude_user = etl
        .Ed
        .Pp
        The same by environment variables:
        .Bd -literal -offset indent
        PGLEASH_SERVER_HOST=db.example.com
        PGLEASH_SERVER_SSLMODE=verify-full
        PGLEASH_SERVER_SSLROOTCERT=/etc/pgleash/root.crt
        PGLEASH_CANCEL_EXCLUDE_USER=etl
        .Ed
        .Pp
        .Ql pgleash \-\-check\-config
        says what is wrong with a file.
        .Sh SEE ALSO
        .Xr pgleash 1

        """#
}

extension Setting {
    fileprivate var manualEntry: String {
        """
        .It Cm \(key)
        \(paragraph(meaning))
        .Pp
        Default: \(roff(defaultText { $0 }))
        .br
        Allowed: \(roff(allowed))
        .br
        Environment: \(variable)
        .br
        Takes effect: \(effect)

        """
    }
}

/// Each sentence begins a line, as mdoc requires.
private func paragraph(_ text: String) -> String {
    let sentences = text.replacing(". ", with: ".\n").split(separator: "\n")
    return sentences.flatMap { lines(of: String($0), length: 78) }.map(roff).joined(separator: "\n")
}

/// The line with escapes, so that it is shown unchanged.
private func roff(_ line: String) -> String {
    let text = line.replacing("\\", with: "\\e").replacing(" -", with: " \\-")
    if text.hasPrefix("-") { return "\\" + text }
    return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
}
