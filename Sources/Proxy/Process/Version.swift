// The version of pgleash.

/// The version according to Semantic Versioning. The first entry of CHANGELOG.md has the same.
package let pgleashVersion = "0.2.0"
