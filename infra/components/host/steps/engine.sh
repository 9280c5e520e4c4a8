# The Docker engine: one that is there, whoever installed it, is left as it is.
command -v dockerd >/dev/null || install docker.io
enable_unit docker.service
if [ -n "$HOST_USER" ] && [ "$HOST_USER" != root ]; then
  case " $(id -nG "$HOST_USER") " in
  *" docker "*) ;;
  *) usermod -aG docker "$HOST_USER" && changed "$HOST_USER may use the engine" ;;
  esac
fi
