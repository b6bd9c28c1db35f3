// The completion scripts of pgleash's options, in their shells.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `The completion of options` {
        private let folder = RunFolder.shared.newFolder("completions")

        /// The file with the script for `shell`, under the name that zsh expects.
        private func script(for shell: String) throws -> String {
            let run = try ChildProcess.run(Programs.pgleash, ["--generate-completion-script", shell])
            #expect(run.exit == .code(0), "\(run.error)")
            let file = folder + "/_pgleash"
            try run.output.write(toFile: file, atomically: false, encoding: .utf8)
            return file
        }

        /// The output of `shell` for `commands`, with `arguments` as $1 and so on.
        private func output(
            of shell: String, _ options: [String], _ commands: String, _ arguments: [String] = []
        ) throws -> String {
            let run = try ChildProcess.run(
                Programs.system(shell), options + ["-c", commands] + arguments,
                environment: ["HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder, "TERM": "xterm"]
            )
            #expect(run.exit == .code(0), "\(run.error)")
            return run.output
        }

        private func words(_ output: String) -> Set<Substring> {
            Set(output.split(separator: "\n").compactMap { $0.split(separator: "\t").first })
        }

        @Test func `offers every option in bash, and the words of one`() throws {
            let commands = """
                source "$1"; COMP_LINE="$2"; COMP_POINT=${#2}; read -r -a COMP_WORDS <<<"$2"
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _pgleash pgleash "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            func completions(of line: String) throws -> Set<Substring> {
                words(try output(of: "bash", ["--norc"], commands, ["bash", try script(for: "bash"), line]))
            }
            #expect(try completions(of: "pgleash --") == CommandLineHelp.options())
            #expect(try completions(of: "pgleash --log-level w") == ["warning"])
        }

        @Test func `offers every option in fish, and the words of one`() throws {
            func completions(of line: String) throws -> Set<Substring> {
                let commands = "source '\(try script(for: "fish"))'; complete -C '\(line)'"
                return words(try output(of: "fish", ["--no-config"], commands))
            }
            #expect(try completions(of: "pgleash --") == CommandLineHelp.options())
            #expect(try completions(of: "pgleash --log-level w") == ["warning"])
        }

        /// zsh completes in its line editor only, so it runs on a terminal, and the test types a tabulator.
        @Test func `offers every option in zsh, and the words of one`() throws {
            _ = try script(for: "zsh")
            let commands = """
                zmodload zsh/zpty
                zpty terminal zsh -f -i
                zpty -w terminal "COLUMNS=200 LINES=50 PS1='ready> '; fpath=($1 \\$fpath); autoload -Uz compinit; \
                compinit -u -d $1/dump; echo be''gun"
                zpty -r terminal output '*begun*ready> *'
                zpty -w -n terminal "$2"$'\\t\\C-uecho do\\'\\'ne\\n'
                zpty -r terminal output '*done*'
                print -r -- "$output"
                """
            func completions(of line: String) throws -> String {
                try output(of: "zsh", ["-f"], commands, ["zsh", folder, line])
            }
            let all = try completions(of: "pgleash --")
            for option in try CommandLineHelp.options() { #expect(all.contains(option), "\(all)") }
            #expect(try completions(of: "pgleash --log-level w").contains("pgleash --log-level warning"))
        }
    }
}
