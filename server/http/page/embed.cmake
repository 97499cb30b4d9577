# cmake -DDIRECTORY=... -DOUTPUT=... -P embed.cmake: writes the files of the page as C++.
set(type_of_html "text/html; charset=utf-8")
set(type_of_css "text/css; charset=utf-8")
set(type_of_js "text/javascript; charset=utf-8")
set(type_of_svg "image/svg+xml")
file(GLOB files "${DIRECTORY}/*.html" "${DIRECTORY}/*.css" "${DIRECTORY}/*.js" "${DIRECTORY}/*.svg")
list(SORT files)
set(entries "")
foreach(file ${files})
  get_filename_component(name "${file}" NAME)
  string(REGEX REPLACE "^.*\\." "" extension "${name}")
  set(path "/page/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  file(READ "${file}" text)
  string(APPEND entries "    {\"${path}\", \"${type_of_${extension}}\", R\"file(${text})file\"},\n")
endforeach()
set(source "// Made from server/http/page/ by embed.cmake.
#include \"http/page.h\"

namespace vigil {

std::span<const PageFile> PageFiles() {
  static constexpr PageFile kFiles[] = {
${entries}  };
  return kFiles;
}

}  // namespace vigil
")
file(WRITE "${OUTPUT}" "${source}")
