// The franz-go part of Ringbrook's client matrix: every case, run concurrently, reported in the
// matrix's line format. Each file beside this one holds the cases of one area.
package main

import "os"

func main() {
	cases := append(groupCases(), recordCases()...)
	cases = append(cases, offsetCases()...)
	cases = append(cases, adminCases()...)
	cases = append(cases, refusalCases()...)
	cases = append(cases, transactionCases()...)
	cases = append(cases, transactionAdminCases()...)
	cases = append(cases, transactSessionCases()...)
	cases = append(cases, nextGroupCases()...)
	os.Exit(runCases("franz-go", cases))
}
