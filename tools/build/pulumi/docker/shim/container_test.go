package shim

import "testing"

func TestCPUsAsTheEngineCountsThem(t *testing.T) {
	for text, want := range map[string]int64{"1": 1e9, "0.5": 5e8, "1.50": 15e8, "0.000000001": 1} {
		if got, err := parseCPUs(text); err != nil || got != want {
			t.Errorf("parseCPUs(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "half", "0.0000000001", "1e30"} {
		if got, err := parseCPUs(text); err == nil {
			t.Errorf("parseCPUs(%q) = %d; want an error", text, got)
		}
	}
	for nano, want := range map[int64]string{0: "", 5e8: "0.5", 1e9: "1", 1: "0.000000001"} {
		if got := formatCPUs(nano); got != want {
			t.Errorf("formatCPUs(%d) = %q; want %q", nano, got, want)
		}
	}
}
