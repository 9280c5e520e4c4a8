package shim

import "testing"

func TestCPUsAsTheEngineCountsThem(t *testing.T) {
	for text, want := range map[string]int64{"1": 1e9, "1.0": 1e9, "0.5": 5e8, "1.50": 15e8, "0.000000001": 1} {
		if got, err := parseCPUs(text); err != nil || got != want {
			t.Errorf("parseCPUs(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "half", "0.0000000001", "1e30"} {
		if got, err := parseCPUs(text); err == nil {
			t.Errorf("parseCPUs(%q) = %d; want an error", text, got)
		}
	}
}

// What the official plugin reads back for each number. Those that it misspells or rounds are here because the stand-in
// has to show the same change (infra/test/cpus.test.ts: config refuses them).
func TestCPUsAsTheOfficialPluginReadsThemBack(t *testing.T) {
	for nano, want := range map[int64]string{
		1e9: "1.0", 2e9: "2.0", 9e9: "9.0", 11e9: "11.0",
		5e8: "0.5", 1e8: "0.1", 25e7: "0.25", 75e7: "0.75", 125e6: "0.125",
		15e8: "1.5", 225e7: "2.25", 105e7: "1.05", 105e8: "10.5", 1025e7: "10.25", 1005e8: "100.5",
		10e9: "10.", 20e9: "20.", 100e9: "100.", 101e9: "101.",
		5e7: "0.1", 4e7: "0.0", 1e7: "0.0", 1e6: "0.0", 1005e7: "10.1", 10025e7: "100.3", 995e8: "99.5",
		1: "0.0", 123456789: "0.123456789", 1e9 + 1: "1.000000001",
	} {
		if got := readBackCPUs(nano); got != want {
			t.Errorf("readBackCPUs(%d) = %q; want %q", nano, got, want)
		}
	}
}
