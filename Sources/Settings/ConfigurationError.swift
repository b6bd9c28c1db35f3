// An error in a configuration.

/// One error in a configuration, for its author.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    package let description: String
    /// An option of the command line is wrong.
    package let isOfOption: Bool

    init(_ message: String, at origin: Origin?, orIn file: String? = nil) {
        isOfOption = if case .option = origin { true } else { false }
        let place = origin.map(\.description) ?? file
        description = place.map { "\($0): \(message)" } ?? message
    }

    /// The same error with a hint.
    func adding(_ hint: String) -> ConfigurationError {
        ConfigurationError(description: "\(description); \(hint)", isOfOption: isOfOption)
    }

    private init(description: String, isOfOption: Bool) {
        (self.description, self.isOfOption) = (description, isOfOption)
    }

    init(file: String, _ message: String) {
        self.init(message, at: nil, orIn: file)
    }
}
