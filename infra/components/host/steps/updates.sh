# Security updates by themselves. The host does not reboot by itself: when it wants to, /var/run/reboot-required is there.
install unattended-upgrades
put /etc/apt/apt.conf.d/20auto-upgrades 644 <<'CONF' || true
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";
CONF
put /etc/apt/apt.conf.d/52omniai 644 <<'CONF' || true
Unattended-Upgrade::Automatic-Reboot "false";
Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";
CONF
enable_unit apt-daily-upgrade.timer
