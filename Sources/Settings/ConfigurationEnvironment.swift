// Settings from environment variables: PGLEASH_<SECTION>_<KEY>.

extension Configuration {
    /// The prefix of the names of all variables.
    static let variablePrefix: String = "PGLEASH_"

    /// Sets keys from the environment; these override earlier values.
    ///
    /// - Parameter variables: those whose names begin with `variablePrefix`. Some may not be pgleash's own: Kubernetes
    ///   sets such variables for a service of that name.
    mutating func apply(_ variables: [(name: String, value: String)]) throws(ConfigurationError) {
        for (name, value) in variables {
            if let setting = Setting.all.first(where: { $0.variable == name || $0.shortVariable == name }) {
                do throws(ConfigurationError) {
                    try set(setting, to: value, by: .variable(name))
                } catch {
                    throw value.hasPrefix("tcp://") ? error.adding(Self.serviceLinks) : error
                }
            } else if namesSection(name), !value.contains("://") {
                let known = Setting.all.map(\.variable)
                let hint = nearestWord(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
                let reason = "there is no such setting, and it has no effect\(hint)"
                inputWarnings.append(ConfigurationWarning(setting: "environment variable \(name)", reason: reason))
            }
        }
    }

    private static let serviceLinks: String =
        "Kubernetes sets this variable for a service of that name, unless the pod has enableServiceLinks: false"

    /// The variable names one of pgleash's sections, and is not set by Kubernetes for a service.
    private func namesSection(_ name: String) -> Bool {
        let isOfService = name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.contains("_PORT_")
        return !isOfService && Setting.sections.contains { name.hasPrefix("\(Self.variablePrefix)\($0.uppercased())") }
    }
}

extension Setting {
    /// The environment variable that sets the key.
    var variable: String { "\(Configuration.variablePrefix)\(section)_\(key)".uppercased() }

    /// The same without the section's name twice; nil for other sections than [pgleash].
    var shortVariable: String? {
        section == "pgleash" ? "\(Configuration.variablePrefix)\(key)".uppercased() : nil
    }
}
