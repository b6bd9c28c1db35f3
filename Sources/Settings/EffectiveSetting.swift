// The settings in force, for a reader.

/// A key with its value.
package struct EffectiveSetting: Sendable {
    package let section: String
    package let key: String
    /// Nil where there is none; `***` for a secret.
    package let value: String?
    /// The origin of the value; nil for the default.
    package let origin: Origin?
    /// The value names a file that is read again at SIGHUP.
    package let isReread: Bool
}

extension Configuration {
    /// All keys, in the order of the reference.
    package var effectiveSettings: [EffectiveSetting] {
        Setting.all.map { setting in
            let value = setting.text(self).map { setting.isSecret ? "***" : $0 }
            return EffectiveSetting(
                section: setting.section, key: setting.key, value: value, origin: origins[setting.name],
                isReread: setting.isReread
            )
        }
    }
}
